"""Rollout files are checked without a cluster: what is wrong, what can hardly be meant, and where."""

import json
import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rollwright.cli.main import app
from tests.cli.test_files import BOMB, MERGED

EXAMPLES = Path(__file__).parents[2] / "examples"
QUERY = """query: 'x{pod=~"{{ pods }}"}', url: http://p, condition: '< 1'"""


def lint(*arguments: str, text: str = "") -> Result:
    return CliRunner().invoke(app, ["lint", *arguments], input=textwrap.dedent(text).lstrip())


def warnings(strategy: str, replicas: int | None = 4) -> list[str]:
    """What is said of a rollout with this strategy, without the place in the file."""
    target = {"name": "llm", **({"replicas": replicas} if replicas else {})}
    shown = lint("-", text=f"target: {json.dumps(target)}\nstrategy: {strategy}\n")
    assert shown.exit_code == 0, shown.output
    return [line.split(": warning: strategy.")[1] for line in shown.stdout.splitlines()]


def test_the_examples_are_without_fault() -> None:
    shown = lint(*(str(EXAMPLES / name) for name in ("rollout.yaml", "gated.yaml", "bad-canary.yaml")))
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "3 rollouts, nothing found\n")


def test_each_mistake_has_its_place_and_documents_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(
        textwrap.dedent("""
        target: {name: llm}
        strategy: {pacing: fast}
        ---
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        spec: {replicas: many, replicas: few}
        ---
        target: {name: llm, replicas: 3}
        change:
          images:
            model: llm:latest
        strategy:
          maxSurge: 1
          maxSurge: 2
        ---
        - target
        """).lstrip()
    )
    shown = lint(str(file))
    assert shown.exit_code == 1
    assert shown.stdout.splitlines() == [
        f"{file}:2:12: error: strategy.pacing: 'fast' is not possible; write 'ordered' or 'eager'",
        f"{file}:11:5: warning: change.images.model: llm:latest is whatever was pushed last, and may be another "
        "version for each group; write a tag of its own, or a digest",
        f"{file}:14:3: error: maxSurge was already given in line 13; keep one of them",
        f"{file}:16:1: error: ['target'] is no mapping with apiVersion, kind and target",
    ]
    assert shown.stderr == "3 rollouts, 3 errors, 1 warning\n"


def test_what_is_no_yaml_is_told_with_its_place_and_the_documents_before_it_are_looked_at() -> None:
    shown = lint("-", text="target: {nam: llm}\n---\ntarget: {name: llm\n")
    assert shown.exit_code == 1
    assert [line.split(" ")[0] for line in shown.stdout.splitlines()] == ["stdin:1:1:", "stdin:1:10:", "stdin:4:1:"]
    assert "this is no YAML: while parsing a flow mapping, expected ',' or '}'" in shown.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("note: !!int x", "stdin:1:7: error: this is no YAML: 'x' is no int; "),
        ("strategy: {maxUnavailable: !!int x}", "stdin:1:28: error: this is no YAML: 'x' is no int; "),
        ("change: {patch: &a {spec: {x: *a}}}", "stdin:1:31: error: write it without aliases (*NAME)"),
        (MERGED, "stdin:2:15: error: write it without aliases (*NAME)"),
        (BOMB, "stdin:3:10: error: write it without aliases (*NAME)"),
    ],
)
def test_what_is_not_read_is_told_with_its_place_and_the_next_document_is_looked_at(text: str, says: str) -> None:
    shown = lint("-", text=f"{text}\n---\ntarget: {{nam: llm}}\n")
    assert shown.exit_code == 1
    assert shown.stdout.startswith(says)
    assert "target.nam: there is no such field" in shown.stdout


@pytest.mark.parametrize("inside", ["spec: &a [*a]", "note: 2026-13-45", "a: 1\na: 2", "[x]: y", MERGED, "x: !Sub y"])
def test_whatever_stands_in_documents_of_other_kinds_is_passed_over(inside: str) -> None:
    shown = lint("-", text=f"apiVersion: v1\nkind: Service\n{inside}\n---\ntarget: {{name: llm}}\n")
    assert (shown.exit_code, shown.stderr) == (0, "1 rollout, nothing found\n")


@pytest.mark.parametrize("text", ["", "---\n---\n", "kind: Service\napiVersion: v1\n"])
def test_a_file_without_a_rollout_is_an_error(text: str) -> None:
    shown = lint("-", text=text)
    assert (shown.exit_code, shown.stdout) == (1, "stdin: error: there is no rollout in it\n")


def test_what_says_that_it_is_a_rollout_is_one_however_it_is_spelled() -> None:
    shown = lint("-", text="apiVersion: rollwrigth/v1\nkind: Rollout\ntarget: {name: llm}\n")
    assert shown.stdout == ("stdin:1:1: error: apiVersion: 'rollwrigth/v1' is not possible; write 'rollwright/v1'\n")
    assert lint("-", text="kind: Rolout\ntarget: {name: llm}\n").stdout.startswith("stdin:1:1: error: kind: 'Rolout'")


def test_rollouts_of_others_are_passed_over() -> None:
    others = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {replicas: 3}\n"
    shown = lint("-", text=f"{others}---\ntarget: {{name: llm}}\n")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "1 rollout, nothing found\n")


def test_a_file_that_can_not_be_read_is_told_beside_the_others(tmp_path: Path) -> None:
    shown = lint("no-such.yaml", str(tmp_path), "-", text="target: {nam: llm}")
    assert shown.exit_code == 2
    assert [line.split(": ", 1)[0] for line in shown.stdout.splitlines()][:3] == [
        "no-such.yaml",
        str(tmp_path),
        "stdin:1:1",
    ]
    assert shown.stdout.startswith("no-such.yaml: error: can't be read: No such file or directory\n")


def test_json_is_one_object() -> None:
    shown = lint("-", "--json", text="target: {name: llm}\nchange: {images: {model: llm}}\n")
    assert json.loads(shown.stdout) == {
        "format": 1,
        "rollouts": 1,
        "remarks": [
            {
                "file": "stdin",
                "line": 2,
                "column": 19,
                "severity": "warning",
                "message": "change.images.model: llm has no tag, and may be another version for each group; write a "
                "tag of its own, or a digest",
            }
        ],
    }


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("llm", True),
        ("llm:latest", True),
        ("registry:5000/llm", True),
        ("registry:5000/llm:v2", False),
        ("llm@sha256:0123", False),
        ("llm:latest@sha256:0123", False),
    ],
)
def test_an_image_that_may_change_under_its_name_is_told(image: str, said: bool) -> None:
    shown = lint("-", text=f"target: {{name: llm}}\nchange: {{images: {{model: '{image}'}}}}\n")
    assert ("may be another version for each group" in shown.stdout) is said


@pytest.mark.parametrize("inside", ["patch: {", "manifest: {kind: LeaderWorkerSet, spec: {leaderWorkerTemplate: {"])
def test_images_are_found_wherever_containers_stand(inside: str) -> None:
    pod = "workerTemplate: {spec: {containers: [{name: m, image: 'm:1'}], initContainers: [{name: i, image: i}]}}"
    shown = lint("-", text=f"target: {{name: llm}}\nchange: {{{inside}{pod}{'}' * inside.count('{')}}}\n")
    (line,) = shown.stdout.splitlines()
    assert ".workerTemplate.spec.initContainers.0.image: i has no tag" in line


def test_percentages_are_looked_at_where_the_replicas_are_known() -> None:
    strategy = "{maxUnavailable: 10%, maxSurge: 1}"
    assert warnings(strategy) == [
        "maxUnavailable: 10% comes to 0 of 4 groups; all depends on finding nodes for the surge"
    ]
    assert warnings(strategy, replicas=10) == []
    assert warnings(strategy, replicas=None) == []


@pytest.mark.parametrize(
    ("strategy", "replicas", "says"),
    [
        ("{maxUnavailable: 100%}", 4, "maxUnavailable: all 4 groups may be missing at once; keep one "),
        ("{maxSurge: 1}", 1, "maxUnavailable: the only group may be missing; keep one "),
        ("{partition: 4}", 4, "partition: 4 keeps all 4 groups as they are: nothing is updated"),
        ("{steps: [{until: 3}, {until: 50%}]}", 4, "steps.1.until: 50% is reached before 3 of a step above"),
        ("{steps: [{until: 50%}, {until: 25%}]}", None, "steps.1.until: 25% is reached before 50% of a step above"),
        (
            "{steps: [{until: 2}, {until: 50%}, {until: 1}]}",
            None,
            "steps.2.until: 1 is reached before 2 of a step above",
        ),
        ("{steps: [{until: 9}]}", 4, "steps.0.until: 9 is more than target.replicas, 4: this step ends once all "),
        ("{partition: 2, steps: [{until: 1}, {until: 3}, {until: 100%}]}", 4, "steps.1.until: 3 is never reached: "),
        ("{maxUnavailable: 100%}", None, "maxUnavailable: all groups may be missing at once; keep one with a lower "),
        (
            "{steps: [{until: 1, gates: [{kind: bake, duration: 25h}]}]}",
            None,
            "steps.0.gates.0.duration: bakes for 25 h",
        ),
        ("{steps: [{until: 1, gates: [{kind: capacity}]}]}", None, "steps.0.gates.0: counts nodes for the surge, and "),
        (
            f"{{steps: [{{until: 0, gates: [{{kind: prometheus, {QUERY}}}]}}]}}",
            None,
            "steps.0.gates.0: can never pass: its query names the groups on the new revision",
        ),
        (
            f"{{steps: [{{until: 4, gates: [{{kind: prometheus, compareToOld: ratio, {QUERY}}}]}}]}}",
            4,
            "steps.0.gates.0: can never pass: it compares with groups on the old revision",
        ),
    ],
)
def test_what_can_hardly_be_meant_is_told(strategy: str, replicas: int | None, says: str) -> None:
    (told,) = warnings(strategy, replicas)
    assert told.startswith(says)


@pytest.mark.parametrize("replicas", [4, None])
def test_each_step_is_compared_with_the_furthest_above(replicas: int | None) -> None:
    assert warnings("{steps: [{until: 2}, {until: 3}, {until: 1}, {until: 2}]}", replicas) == [
        "steps.2.until: 1 is reached before 3 of a step above: this step updates nothing",
        "steps.3.until: 2 is reached before 3 of a step above: this step updates nothing",
    ]


@pytest.mark.parametrize(
    ("strategy", "replicas"),
    [
        ("{maxUnavailable: 1, maxSurge: 1}", 2),
        ("{maxUnavailable: 99%}", None),
        ("{steps: [{until: 9}]}", None),
        ("{partition: 2, steps: [{until: 2}, {until: 100%}]}", 4),
        ("{partition: 3}", 4),
        ("{steps: [{until: 1}, {until: 1}, {until: 100%}]}", 4),  # gates one after another
        ("{steps: [{until: 2}, {until: 25%}]}", None),
        ("{steps: [{until: 1, gates: [{kind: bake, duration: 24h}, {kind: capacity, groups: 1}]}]}", 4),
        (f"{{steps: [{{until: 3, gates: [{{kind: prometheus, compareToOld: ratio, {QUERY}}}]}}]}}", 4),
        (f"{{partition: 1, steps: [{{until: 4, gates: [{{kind: prometheus, compareToOld: ratio, {QUERY}}}]}}]}}", 4),
        ("{steps: [{until: 0, gates: [{kind: prometheus, url: http://p, query: up, condition: '== 1'}]}]}", 4),
    ],
)
def test_what_may_well_be_meant_is_not_told(strategy: str, replicas: int | None) -> None:
    assert warnings(strategy, replicas) == []


def test_hostile_text_moves_no_cursor() -> None:
    shown = lint("-", text='target: {name: llm}\nchange: {images: {model: "\\e[2J\\u202e"}}\n')
    assert shown.stdout.startswith("stdin:2:19: warning: change.images.model: [2J has no tag")

"""Rollout files are read strictly: every mistake at once, with its place, its value and what is allowed."""

import textwrap
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from rollwright.cli.failure import CommandError
from rollwright.cli.files import read_document, to_spec
from rollwright.cli.main import app
from rollwright.rollout.gates.kinds import AnyGate

BOMB = "\n".join(
    [
        "target: {name: llm}",
        "change: {patch: {a0: &a0 [x, x]}}",
        *(f"a{level}: &a{level} [*a{level - 1}, *a{level - 1}]" for level in range(1, 60)),
    ]
)
"""A few lines for more than anybody can look through."""
MERGED = "\n".join(
    ["a0: &a0 {x: 1}", *(f"a{level}: &a{level} {{<<: [*a{level - 1}, *a{level - 1}]}}" for level in range(1, 60))]
)
"""The same for whoever only reads it in."""
EXAMPLE = Path(__file__).parents[2] / "examples" / "rollout.yaml"


def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    """What is said of a file with this text."""
    monkeypatch.chdir(tmp_path)
    Path("rollout.yaml").write_text(textwrap.dedent(text).lstrip())
    with pytest.raises(CommandError) as refused:
        to_spec(read_document("rollout.yaml"))
    assert refused.value.code == 2
    return refused.value.what


def test_the_example_file_is_read() -> None:
    spec = to_spec(read_document(str(EXAMPLE)))
    assert (spec.target.name, spec.target.replicas, spec.strategy.max_unavailable, spec.strategy.max_surge) == (
        "llm",
        4,
        2,
        2,
    )


def test_all_mistakes_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        apiVersion: rollwright/v2
        kind: Rollout
        target:
          name: My_Model
        change:
          images:
            model: 1.20
            side car: a:b
        strategy:
          maxsurge: 2
          maxUnavailable: 120%
          pacing: fast
          unreadyGrace: soon
        """
    assert refusal(tmp_path, monkeypatch, text).splitlines() == [
        "rollout.yaml:1: apiVersion: rollwright/v2 is not known here: this version of rollwright reads rollwright/v1; "
        "take one that knows it",
        "rollout.yaml:4: target.name: 'My_Model' is not possible; write lower-case letters, digits and '-', beginning "
        "and ending with a letter or a digit",
        "rollout.yaml:7: change.images.model: 1.2 is a number; put quotes around it",
        "rollout.yaml:8: change.images.side car: 'side car' is not possible; write lower-case letters, digits and '-', "
        "beginning and ending with a letter or a digit",
        "rollout.yaml:10: strategy.maxsurge: there is no such field (did you mean maxSurge?); allowed are "
        "maxUnavailable, maxSurge, partition, pacing, reclaim, unreadyGrace, readiness, steps, surgeDuringGates, "
        "surgeBy, surgeVolumes, surgePatience, progressDeadline, failureGrace, maxFailedGroups, onStall",
        "rollout.yaml:11: strategy.maxUnavailable: '120%' is more than 100%; write 0% to 100%",
        "rollout.yaml:12: strategy.pacing: 'fast' is not possible; write 'ordered' or 'eager'",
        "rollout.yaml:13: strategy.unreadyGrace: 'soon' is no duration; write hours, minutes and seconds, as in '30s', "
        "'10m' or '1h30m'",
    ]


def test_mistakes_in_gates_are_told_with_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        target: {name: llm}
        strategy:
          steps:
            - until: 1
              gates:
                - kind: bake
                  durration: 2h
                - kind: aproval
                - {}
                - kind: window
                  schedule: "0 22 * *"
                  duration: 8h
                  timezone: Mars
        """
    bake = "rollout.yaml:{}: strategy.steps.0.gates.0"
    assert refusal(tmp_path, monkeypatch, text).splitlines() == [
        f"{bake.format(6)}.duration: is missing; it must be given",
        f"{bake.format(7)}.durration: there is no such field (did you mean duration?); allowed are name, timeout, "
        "retries, onFailure, kind, duration",
        "rollout.yaml:8: strategy.steps.0.gates.1: there is no kind 'aproval'; write one of "
        + ", ".join(
            f"'{get_args(kind.model_fields['kind'].annotation)[0]}'" for kind in get_args(get_args(AnyGate)[0])
        ),
        "rollout.yaml:9: strategy.steps.0.gates.2: kind is missing; it must be given",
        "rollout.yaml:11: strategy.steps.0.gates.3.schedule: '0 22 * *' has not the five fields of a cron expression; "
        "write as in '0 22 * * MON-FRI'",
        "rollout.yaml:13: strategy.steps.0.gates.3.timezone: 'Mars' is no time zone; write as in 'Europe/Berlin'",
    ]


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        (
            "readiness: {http: {port: 8000, pth: /}}",
            "strategy.readiness.http.pth: there is no such field (did you mean ",
        ),
        ("readiness: {https: {port: 8000}}", "strategy.readiness.https: there is no such field (did you mean http?); "),
        ("steps: [{untill: 1}]", "strategy.steps.0.untill: there is no such field (did you mean until?); "),
    ],
)
def test_an_unknown_field_is_named_however_deep_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, says: str
) -> None:
    assert says in refusal(tmp_path, monkeypatch, f"target: {{name: llm}}\nstrategy: {{{strategy}}}")


def test_a_missing_field_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(tmp_path, monkeypatch, "kind: Rollout") == "rollout.yaml: target: is missing; it must be given"


def test_a_rule_over_several_fields_is_told_where_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "target: {name: llm}\nchange: {restart: true, images: {model: a}}"
    assert refusal(tmp_path, monkeypatch, text) == (
        "rollout.yaml:2: change: images and restart are given; give one of images, patch, manifest, restart or revision"
    )


def test_a_key_given_twice_is_refused_rather_than_half_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "target: {name: llm}\nstrategy:\n  maxSurge: 1\n  maxUnavailable: 1\n  maxSurge: 2\n"
    assert refusal(tmp_path, monkeypatch, text) == (
        "rollout.yaml:5: maxSurge was already given in line 3; keep one of them"
    )


def test_several_documents_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(tmp_path, monkeypatch, "target: {name: a}\n---\ntarget: {name: b}\n")
    assert said.startswith("rollout.yaml is not one YAML document: expected a single document")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "rollout.yaml is empty"),
        ("- target", "rollout.yaml:1: ['target'] is no mapping with apiVersion, kind and target"),
        ("target: [", "rollout.yaml is not one YAML document: while parsing"),
        ("target: !!python/name:os.system x", "rollout.yaml is not one YAML document: could not determine"),
        ("a: &a [*a]", "rollout.yaml:1: write it without aliases (*NAME)"),
        (MERGED, "rollout.yaml:2: write it without aliases (*NAME)"),
        (BOMB, "rollout.yaml:3: write it without aliases (*NAME)"),
        ("a: 1\nb: !!int x", "rollout.yaml is not one YAML document: 'x' is no int; if it is a text, put quotes "),
        ("!!bool x", "rollout.yaml is not one YAML document: 'x' is no bool"),
        ("!!float ''", "rollout.yaml is not one YAML document: '' is no float"),
        ("!!timestamp x", "rollout.yaml is not one YAML document: could not determine a constructor"),
        ("[" * 1500, "rollout.yaml is not one YAML document"),
        ("target: llm", "rollout.yaml:1: target: 'llm' is not possible"),
    ],
)
def test_what_is_no_rollout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str) -> None:
    assert refusal(tmp_path, monkeypatch, text).startswith(says)


def test_a_refused_file_goes_to_stderr_with_what_to_do_and_exit_code_2() -> None:
    shown = CliRunner().invoke(app, ["plan", "-f", "-", "--offline"], input="target: {nam: llm}")
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert shown.stderr.splitlines() == [
        "error: stdin:1: target.name: is missing; it must be given",
        "stdin:1: target.nam: there is no such field (did you mean name?); allowed are kind, namespace, "
        "name, cluster, replicas",
        "`rollwright schema` prints what may be written.",
    ]


def test_a_file_without_an_end_is_refused_rather_than_read() -> None:
    shown = CliRunner().invoke(app, ["plan", "-f", "/dev/zero", "--offline"])
    assert shown.exit_code == 2
    assert shown.stderr == "error: /dev/zero can't be read: file too large, more than 1000000 bytes\n"


def test_a_file_that_is_not_there_is_named() -> None:
    shown = CliRunner().invoke(app, ["plan", "-f", "no-such.yaml", "--offline"])
    assert shown.exit_code == 2
    assert shown.stderr == "error: no-such.yaml can't be read: No such file or directory\n"

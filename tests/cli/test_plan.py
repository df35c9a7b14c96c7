"""Plans made offline: the table, its JSON, and where the number of groups comes from."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rollwright.cli.main import app

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "rollout.yaml")
RULES = "strategy: {maxUnavailable: 2, maxSurge: 2}"


def offline(*arguments: str, text: str = "") -> Result:
    file = "-" if text else EXAMPLE
    return CliRunner().invoke(app, ["plan", "-f", file, "--offline", *arguments], input=text, env={"COLUMNS": None})


def test_the_example_shows_every_change_of_partition_and_replicas() -> None:
    stages = json.loads(offline("--json").stdout)["stages"]
    assert [(stage["partition"], stage["replicas"]) for stage in stages] == [
        (0, 4),
        (4, 6),
        (2, 6),
        (0, 6),
        (0, 5),
        (0, 4),
    ]


def test_the_json_is_one_object_with_the_stages_and_no_steps_where_there_are_none() -> None:
    shown = offline("--json", text="target: {name: llm, replicas: 1}\nstrategy: {maxUnavailable: 0, maxSurge: 1}")
    assert json.loads(shown.stdout) == {
        "format": 1,
        "stages": [
            {"stage": 1, "partition": 0, "replicas": 1, "groups": ["updated"], "note": "Before rolling update"},
            {
                "stage": 2,
                "partition": 1,
                "replicas": 2,
                "groups": ["outdated", "rolling"],
                "note": "Rolling update started",
            },
            {
                "stage": 3,
                "partition": 0,
                "replicas": 2,
                "groups": ["rolling", "updated"],
                "note": "Partition changes from 1 to 0",
            },
            {"stage": 4, "partition": 0, "replicas": 1, "groups": ["updated"], "note": "Rolling update completed"},
        ],
        "steps": [],
    }


def test_the_screen_is_the_table_of_the_lws_documentation() -> None:
    assert offline().stdout.splitlines() == [
        "Stage  Partition  Replicas  R-0  R-1  R-2  R-3  R-4  R-5  Note",
        "    1          0         4  ✅   ✅   ✅   ✅             Before rolling update",
        "    2          4         6  ❎   ❎   ❎   ❎   ⏳   ⏳   Rolling update started",
        "    3          2         6  ❎   ❎   ⏳   ⏳   ⏳   ⏳   Partition changes from 4 to 2",
        "    4          0         6  ⏳   ⏳   ⏳   ⏳   ✅   ✅   Partition changes from 2 to 0",
        "    5          0         5  ⏳   ⏳   ✅   ✅   ✅        "
        "Reclaim a replica for the accommodation of unready ones",
        "    6          0         4  ✅   ✅   ✅   ✅             Rolling update completed",
        "✅ updated  ❎ not yet  ⏳ rolling",
        "",
        "How long it takes isn't known: no start-up time is. --start-up 30m gives one.",
    ]


def test_with_a_start_up_time_the_plan_tells_how_long_each_pacing_takes_and_what_it_costs() -> None:
    """Two rounds of half an hour: two groups out of service all the time; one surge group is left in the second."""
    assert offline("--start-up", "30m").stdout.splitlines()[-4:] == [
        "If groups start in 30 min, as given; gates take their least, people no time:",
        "Pacing            Time  Cost",
        "ordered, gradual  1 h   2.0 group-hours out of service, 1.5 surplus",
        "eager, prompt     1 h   2.0 group-hours out of service, 1.0 surplus",
    ]


def test_the_forecasts_are_in_the_json_with_the_gpus_that_the_manifest_asks_for() -> None:
    text = """
target: {name: llm, replicas: 2}
strategy: {maxUnavailable: 1, reclaim: prompt}
change:
  manifest:
    kind: LeaderWorkerSet
    spec:
      leaderWorkerTemplate:
        size: 2
        workerTemplate: {spec: {containers: [{name: m, resources: {limits: {nvidia.com/gpu: 8}}}]}}
"""
    forecasts = json.loads(offline("--json", "--start-up", "600", text=text).stdout)["forecasts"]
    cost = {"out_of_service_group_hours": 0.3333, "surplus_group_hours": 0, "gpus": 16, "gpu_hours": 5.3333}
    same = {"seconds": 1200, "seconds_low": 1200, "seconds_high": 1200, "cost": cost}
    assert forecasts == {
        "start_up_seconds": 600,
        "pacings": [{"pacing": pacing, "reclaim": "prompt", **same} for pacing in ("ordered", "eager")],
    }


@pytest.mark.parametrize(("given", "says"), [("0s", "no group starts in no time"), ("soon", "is no duration")])
def test_a_start_up_time_that_is_none_is_refused(given: str, says: str) -> None:
    shown = offline("--start-up", given)
    assert shown.exit_code == 2
    assert "--start-up" in shown.stderr
    assert says in shown.stderr


def test_many_groups_are_shown_in_runs() -> None:
    assert offline("--replicas", "40").stdout.splitlines()[:5] == [
        "Stage  Partition  Replicas  Groups                       Note",
        "    1          0        40  0-39 ✅                      Before rolling update",
        "    2         40        42  0-39 ❎  40-41 ⏳            Rolling update started",
        "    3         38        42  0-37 ❎  38-41 ⏳            Partition changes from 40 to 38",
        "    4         36        42  0-35 ❎  36-39 ⏳  40-41 ✅  Partition changes from 38 to 36",
    ]


@pytest.mark.parametrize(
    ("text", "arguments", "replicas"),
    [
        (f"target: {{name: llm, replicas: 3}}\n{RULES}", ["--replicas", "5"], 5),
        (f"target: {{name: llm, replicas: 3}}\n{RULES}\nchange: {{manifest: {{spec: {{replicas: 6}}}}}}", [], 6),
        (f"target: {{name: llm, replicas: 3}}\n{RULES}\nchange: {{manifest: {{spec: {{}}}}}}", [], 3),
    ],
)
def test_the_number_of_groups_is_the_flags_then_the_manifests_then_the_targets(
    text: str, arguments: list[str], replicas: int
) -> None:
    shown = offline("--json", *arguments, text=text)
    assert json.loads(shown.stdout)["stages"][0]["replicas"] == replicas


def test_without_a_number_of_groups_there_is_no_plan_offline() -> None:
    shown = offline(text="target: {name: llm}")
    assert shown.exit_code == 2
    assert shown.stderr.splitlines() == [
        "error: the file doesn't say how many groups the target has",
        "Give --replicas, write target.replicas into the file, or leave --offline away to ask the cluster.",
    ]


def test_percentages_that_come_to_nothing_are_refused_with_the_numbers() -> None:
    text = "target: {name: llm}\nstrategy: {maxUnavailable: 10%, maxSurge: 0}"
    shown = offline("--replicas", "4", text=text)
    assert shown.exit_code == 2
    assert shown.stderr == (
        "error: strategy: maxUnavailable 10% and maxSurge 0 both come to 0 groups at 4 replicas; raise one of them\n"
    )


def test_replicas_are_for_offline_plans_only() -> None:
    shown = CliRunner().invoke(app, ["plan", "-f", EXAMPLE, "--replicas", "4"])
    assert shown.exit_code == 2
    assert "--replicas is for --offline" in shown.stderr


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["-n", "inference"], "--namespace"),
        (["--kubeconfig", "no-such-file", "--context", "here"], "--kubeconfig, --context"),
        (["--connections", "."], "--connections"),
        (["--task-queue", "rollwright"], "--task-queue"),
    ],
)
def test_what_is_said_of_a_cluster_is_refused_where_none_is_asked(given: list[str], named: str) -> None:
    shown = offline(*given)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert shown.stderr == f"error: --offline asks no cluster: leave {named} away\n"


def test_what_the_environment_says_of_a_cluster_is_no_matter_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLWRIGHT_TASK_QUEUE", "other")
    monkeypatch.setenv("ROLLWRIGHT_CONNECTIONS", ".")
    assert offline().exit_code == 0


def test_a_plan_without_a_cluster_says_how_to_reach_one() -> None:
    shown = CliRunner().invoke(app, ["plan", "-f", EXAMPLE, "--kubeconfig", "no-such-file"])
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert "error: the cluster can't be asked: no kubeconfig says which cluster it is" in shown.stderr
    assert "plan with --offline" in shown.stderr


def test_the_screen_can_be_written_as_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "plan.svg"
    assert offline("--svg", str(picture)).exit_code == 0
    drawn = picture.read_text()
    assert drawn.startswith("<svg")
    assert "Partition&#160;changes&#160;from&#160;4&#160;to&#160;2" in drawn


def test_a_picture_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    shown = offline("--svg", str(tmp_path))
    assert shown.exit_code == 1
    assert shown.stderr.endswith("can't be written: Is a directory\n")


def test_the_gated_example_shows_its_gate() -> None:
    example = Path(EXAMPLE).with_name("gated.yaml")
    shown = offline(text=example.read_text()).stdout
    assert "Gate 1 waits" in shown
    assert "Gate 2 waits" not in shown


GATED = """
target: {name: llm, replicas: 4}
strategy:
  maxUnavailable: 1
  partition: 1
  steps:
    - until: 25%
      gates: [{kind: bake, duration: 10m}, {kind: bake, name: long bake, duration: 1h}]
    - until: 2
    - until: 100%
      gates: [{kind: bake, duration: 10m}]
    - until: 100%
"""


def test_the_steps_stand_below_the_stages_with_what_they_wait_for_and_the_times_of_their_own_pacing() -> None:
    """A group in half an hour, an hour for the longer bake, two more groups, a bake; partition holds one back."""
    assert offline("--start-up", "30m", text=GATED).stdout.splitlines() == [
        "Stage  Partition  Replicas  R-0  R-1  R-2  R-3  Note",
        "    1          0         4  ✅   ✅   ✅   ✅   Before rolling update",
        "    2          4         4  ❎   ❎   ❎   ❎   Rolling update started",
        "    3          3         4  ❎   ❎   ❎   ⏳   Partition changes from 4 to 3",
        "    4          3         4  ❎   ❎   ❎   ✅   Gate 1 waits",
        "    5          2         4  ❎   ❎   ⏳   ✅   Partition changes from 3 to 2",
        "    6          2         4  ❎   ❎   ✅   ✅   Gate 2 waits",
        "    7          1         4  ❎   ⏳   ✅   ✅   Partition changes from 2 to 1",
        "    8          1         4  ❎   ✅   ✅   ✅   Rolling update completed",
        "✅ updated  ❎ not yet  ⏳ rolling",
        "",
        "Step   Until  Done in     Passes in at least  Gates",
        "   1  1 of 4  30 min      1 h 30 min          bake, long bake",
        "   2  2 of 4  2 h         2 h                 promote (waits for people)",
        "   3  3 of 4  2 h 30 min  2 h 40 min          bake",
        "   4  3 of 4  2 h 40 min                      none, as nothing is left to update",
        "",
        "If groups start in 30 min, as given; gates take their least, people no time:",
        "Pacing            Time        Cost",
        "ordered, gradual  2 h 40 min  1.5 group-hours out of service, 0.0 surplus",
        "eager, prompt     2 h 40 min  1.5 group-hours out of service, 0.0 surplus",
    ]


def test_without_a_start_up_time_the_steps_have_no_times() -> None:
    assert offline(text=GATED).stdout.splitlines()[-7:] == [
        "Step   Until  Gates",
        "   1  1 of 4  bake, long bake",
        "   2  2 of 4  promote (waits for people)",
        "   3  3 of 4  bake",
        "   4  3 of 4  none, as nothing is left to update",
        "",
        "How long it takes isn't known: no start-up time is. --start-up 30m gives one.",
    ]


def test_the_steps_are_in_the_json() -> None:
    gates = [
        {"name": "bake", "kind": "bake", "by_people": False},
        {"name": "long bake", "kind": "bake", "by_people": False},
    ]
    promote = {"name": "promote", "kind": "promote", "by_people": True}
    timed = [
        {"number": 1, "until": 1, "gates": gates, "done_seconds": 600, "passed_seconds": 4200},
        {"number": 2, "until": 2, "gates": [promote], "done_seconds": 4800, "passed_seconds": 4800},
        {"number": 3, "until": 3, "gates": gates[:1], "done_seconds": 5400, "passed_seconds": 6000},
        {"number": 4, "until": 3, "gates": [], "done_seconds": 6000},
    ]
    untimed = [{name: step[name] for name in ("number", "until", "gates")} for step in timed]
    assert json.loads(offline("--json", "--start-up", "10m", text=GATED).stdout)["steps"] == timed
    assert json.loads(offline("--json", text=GATED).stdout)["steps"] == untimed


def test_approvals_and_windows_of_earlier_steps_are_among_the_gates_of_a_step() -> None:
    text = """
target: {name: llm, replicas: 4}
strategy:
  steps:
    - until: 1
      gates: [{kind: window, schedule: "0 22 * * *", duration: 6h}]
    - until: 2
      gates: [{kind: approval, name: on call}]
"""
    assert offline(text=text).stdout.splitlines()[-4:-2] == [
        "   1  1 of 4  window",
        "   2  2 of 4  on call (waits for people), window",
    ]


def test_a_partition_above_all_groups_leaves_no_step_anything_to_do() -> None:
    text = "target: {name: llm, replicas: 2}\nstrategy: {partition: 3, steps: [{until: 1}]}"
    steps = json.loads(offline("--json", "--start-up", "10m", text=text).stdout)["steps"]
    assert steps == [{"number": 1, "until": 0, "gates": [], "done_seconds": 0}]

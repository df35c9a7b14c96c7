"""The summary of a rollout in Markdown: what it says, and that what comes from a cluster shows as it is."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rollwright.cli.failure import ExitCode
from rollwright.cli.outputs import Snapshot, Status
from rollwright.cli.reporting import Ending
from rollwright.cli.summary import Summary, text
from rollwright.cli.text import markdown
from rollwright.rollout.spec import Change, RolloutSpec, Strategy, Target
from rollwright.rollout.timing import Cost
from rollwright.workflows.contract import Event, Intervention, OpenGate, Phase, RolloutStatus
from tests.cli.played import AFTER, COMPLETED, PREPARED, SURGED

TARGET = Target(name="llm", namespace="inference")
SPEC = RolloutSpec(
    target=TARGET,
    change=Change(images={"model": "registry.example.com/llm:v2"}),
    strategy=Strategy(max_unavailable=1, max_surge=2),
)
HOSTILE = (
    "<script>alert(1)</script> [x](javascript:y) ![z](http://evil) | `c` **b** @ann http://evil www.evil &lt; ~~s~~ #7"
)

GAP = "\N{NO-BREAK SPACE}"


def status(**fields: object) -> RolloutStatus:
    given = {
        "rollout": "rollout/lws/inference/llm",
        "phase": Phase.COMPLETED,
        "spec": SPEC,
        "observation": AFTER,
        "stage": COMPLETED[-1],
        "available_min": 4,
        "groups_max": 6,
        "cost": Cost(out_of_service_seconds=1800, surplus_seconds=7200),
        "gpus": 8,
        "by": Intervention(actor="ann", reason="new weights"),
        "request_id": "github:octo-org/llm:5441815:Deploy/rollout:0123456789",
        "started_at": "2026-01-02T03:04:05Z",
        "finished_at": "2026-01-02T05:34:05Z",
    }
    return RolloutStatus.model_validate(given | fields)


def summary(seen: RolloutStatus, code: ExitCode = ExitCode.DONE, *notes: str, ui: str = "https://ui/run") -> str:
    stages = COMPLETED if seen.phase is Phase.COMPLETED else (PREPARED[0], seen.stage or PREPARED[1])
    return text(TARGET, Ending(code, Snapshot(status=Status.of(seen, ui), stages=stages), notes))


def html(words: str) -> str:
    """As a CI shows it: with HTML taken for HTML."""
    shown: str = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(words)
    return shown


def test_it_tells_how_it_went() -> None:
    events = (Event(at="2026-01-02T04:00:00Z", what="pause: no new step", actor="bob", reason="error rate"),)
    assert summary(status(events=events)) == (
        "### lws/llm in namespace inference: completed\n\n"
        "|  |  |\n"
        "| --- | --- |\n"
        "| phase | completed |\n"
        "| change | model=registry.example.com/llm:v2 |\n"
        "| asked for by | ann: new weights |\n"
        "| request | github:octo-org/llm:5441815:Deploy/rollout:0123456789 |\n"
        "| promise | at least 3 of 4 groups serve: fewest seen 4 |\n"
        "| promise | at most 6 groups are asked for: most seen 6 |\n"
        "| took | 2 h 30 min |\n"
        "| cost | 4.0 GPU-hours out of service, 16.0 surplus |\n"
        "| rollout | [rollout/lws/inference/llm](<https://ui/run>) |\n\n"
        f"| {' | '.join(f'{name}{GAP}' for name in ('Stage', 'Partition', 'Replicas', *'012345', 'Note'))} |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
        f"| 1 | 0 | 4 | ✅ | ✅ | ✅ | ✅ |  |  | {GAP}Before rolling update |\n"
        f"| 2 | 4 | 6 | ❎ | ❎ | ❎ | ❎ | ⏳ | ⏳ | {GAP}Rolling update started |\n"
        f"| 3 | 0 | 4 | ✅ | ✅ | ✅ | ✅ |  |  | {GAP}Rolling update completed |\n\n"
        "✅ updated  ❎ not yet  ⏳ rolling\n\n"
        "| when | what | who | why |\n"
        "| --- | --- | --- | --- |\n"
        "| 2026-01-02 04:00:00 UTC | pause: no new step | bob | error rate |\n\n"
    )


def test_a_gate_that_waits_too_long_is_told_with_what_goes_on() -> None:
    seen = status(
        phase=Phase.GATED,
        observation=SURGED,
        reason="waits",
        finished_at="",
        gate=1,
        gates=2,
        open_gates=(
            OpenGate.model_validate(
                {"name": "errors", "kind": "prometheus", "progress": {"since": 0, "message": "2 of 3"}}
            ),
        ),
        next=("rollwright promote lws/llm -n inference",),
    )
    told = summary(seen, ExitCode.STANDS, "the rollout stands\nIt is still open.")
    assert told.startswith(
        "### lws/llm in namespace inference: stands, and is still open\n\nthe rollout stands\n\nIt is still open.\n\n"
    )
    assert "| gate | 1 of 2: errors pending: 2 of 3 |\n" in told
    assert "| next | <code>rollwright promote lws/llm -n inference</code> |\n" in told
    assert "| takes so far | " in told


def test_what_could_not_begin_is_told_in_words_alone() -> None:
    told = text(TARGET, Ending(ExitCode.COULD_NOT, None, ("lws/llm has an open rollout",)))
    assert told == (
        "### lws/llm in namespace inference: could not be carried out, or not be followed to its end\n\n"
        "lws/llm has an open rollout\n\n"
    )


def test_what_comes_from_a_cluster_shows_as_it_is() -> None:
    events = (Event(at=HOSTILE, what=HOSTILE, actor=HOSTILE, reason=HOSTILE),)
    by, group = Intervention(actor=HOSTILE, reason=HOSTILE), SURGED.groups[0]
    told = summary(
        status(
            phase=Phase.STALLED,
            observation=SURGED.model_copy(update={"groups": (group.model_copy(update={"available": False}),)}),
            reason=HOSTILE,
            events=events,
            by=by,
            request_id=HOSTILE,
            stage=PREPARED[-1].model_copy(update={"note": HOSTILE}),
            next=(HOSTILE,),
        ),
        ExitCode.COULD_NOT,
        HOSTILE,
        ui="https://ui/<script>",
    )
    shown = html(told)
    assert "<script" not in shown
    assert shown.count("<a ") == 1  # to the UI
    assert "<img" not in shown
    assert "<strong>" not in shown
    assert "<s>" not in shown
    assert shown.count("alert(1)") == 11
    assert "&amp;lt;" in shown  # an entity stays one
    assert {row.count("<td") for row in shown.split("<tr>")} == {0, 2, 4, 10}  # no cell is split


@given(st.text())
def test_any_text_shows_as_it_is_in_a_cell(words: str) -> None:
    shown = html(f"| a |\n|---|\n| {markdown(words)} |\n")
    assert shown.count("<td>") == 1
    assert "<a " not in shown
    assert "<script" not in shown


@given(st.text(), st.text())
def test_nobody_is_mentioned(before: str, after: str) -> None:
    shown = html(markdown(f"{before} @org/team ({after}@ann)"))
    assert not re.search(r"(?<!\w)@\w", shown)


def test_a_digest_stays_one_word() -> None:
    assert "repo@sha256:0a" in html(markdown("repo@sha256:0a"))


def test_each_summary_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("# before\n")
    told = Summary(path, TARGET)
    told.begins()
    told.ends(Ending(ExitCode.DONE, None, ()))
    assert path.read_text() == "# before\n### lws/llm in namespace inference: completed\n\n"

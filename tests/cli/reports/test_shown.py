"""A report as a page, as Markdown and on a terminal; with hostile names and with thousands of groups."""

import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from rich.console import Console

from rollwright.cli.reports.happened import Ended, Happened, Said
from rollwright.cli.reports.markdown import markdown
from rollwright.cli.reports.page import page
from rollwright.cli.reports.record import Report
from rollwright.cli.reports.screen import screen
from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.spec import Change, GatedStep, Strategy
from rollwright.workflows.contract import Phase
from tests.cli.reports.told import OLD, SPEC, at, ended, lowered, made, saw, seen, waited

HOSTILE = "<script>alert(1)</script>\"'`|\n# [x](javascript:y)\x1b[31m\u202e" + "long" * 200
STARTED: list[Happened] = [
    saw(10, seen("ooo", partition=3)),
    lowered(12, partition=2, groups=3),
    saw(30, seen("oos", partition=2, reason="it loads"), since={2: 15}),
]
PAUSED = Said(at(40), "pause", {"actor": "ada", "reason": "error rate is up"}, "no new step")
DONE: list[Happened] = [*STARTED, PAUSED, saw(3000, seen("nnn")), ended(3600)]


def hostile() -> Report:
    """Whatever may come from elsewhere says the same."""
    strategy = Strategy(steps=(GatedStep(until=1, gates=(Bake(duration=5, name="<b>`|"),)),))
    spec = SPEC.model_copy(
        update={"strategy": strategy, "change": Change(images={"model": HOSTILE.partition("\n")[0]})}
    )
    happened = [
        saw(10, seen("ooo", partition=3)),
        saw(20, seen("oos", partition=2, reason=HOSTILE), since={2: 15}),
        waited(30, Aim(strategy=strategy), gated=True),
        Said(at(31), "pause", {"actor": HOSTILE[:100], "reason": HOSTILE}, HOSTILE),
        ended(40, Phase.ABORTED, spec, reason=HOSTILE),
    ]
    return made(happened, 40)


def printed(report: Report, *, width: int = 120) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, markup=False, emoji=False, highlight=False)
    console.print(screen(report, console.width))
    return console.export_text()


def many(count: int) -> Report:
    """A rollout of so many groups, some of them at a time."""
    happened: list[Happened] = []
    batch = max(10, count // 12)
    for partition in range(count, -1, -batch):
        starting = min(batch, count - partition)
        letters = "o" * partition + "s" * starting + "n" * (count - partition - starting)
        since = {ordinal: float(count - partition) for ordinal in range(partition, partition + starting)}
        happened.append(saw(count - partition + 1.0, seen(letters, partition=partition), since=since))
    return made([*happened, saw(count + 20, seen("n" * count)), ended(count + 30)], count + 30)


class Outline(HTMLParser):
    """What a browser makes of a page: its elements, their attributes, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def pictures(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def test_the_page_says_what_became_of_it() -> None:
    told = Outline(page(made(DONE, 3600)))
    for words in (
        "Rollout of lws/llm in namespace inference",
        "model=llm:v2",
        "completed",
        "kept",
        "2 groups served at the fewest (2 promised), 3 were asked for at the most (3 allowed)",
        "1 h",  # how long it took
        "3 of 3 groups serve on the new revision",
        "error rate is up",
        "maxUnavailable: 1",
    ):
        assert words in told.text


def test_the_page_needs_nothing_else_and_may_do_nothing() -> None:
    told = Outline(page(made(DONE, 3600)))
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(told.tags)
    assert not {name for name, _ in told.attributes} & {"src", "href", "style", "onclick", "onload"}
    (policy,) = (value for name, value in told.attributes if name == "content" and value and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


@pytest.mark.parametrize("groups", [3, 150, 151])
def test_every_group_has_a_row(groups: int) -> None:
    """Up to 150 each says what it is when pointed at; more are drawn as a few paths."""
    rows = next(svg for svg in pictures(page(many(groups))) if "each group" in svg.get("aria-label", ""))
    drawn = [part for part in rows if {"serving-old", "serving-new", "starting"} & {*part.get("class", "").split()}]
    if groups <= 150:
        ordinals = {part.findtext("title", "").split(":")[0] for part in drawn}
        assert ordinals == {f"group {ordinal}" for ordinal in range(groups)}
    else:
        heights = {move for part in drawn for move in re.findall(r"M\S+ (\S+?)h", part.get("d", ""))}
        assert (len(heights), len(drawn)) == (groups, 3)


@pytest.mark.parametrize("groups", [500, 2000])
def test_the_page_of_thousands_of_groups_stays_small(groups: int) -> None:
    assert len(page(many(groups)).encode()) < 1_000_000


def test_hostile_names_are_only_text_on_the_page() -> None:
    text = page(hostile())
    told = Outline(text)
    assert "script" not in told.tags
    assert "b" in told.tags  # of ours
    assert "<script>alert(1)</script>" in told.text
    assert "<b>`|" in told.text
    assert not {"\x1b", "\u202e"} & set(text)
    assert len(pictures(text)) > 3  # all of which are well-formed XML


def test_hostile_names_stay_in_their_cells_of_markdown() -> None:
    text = markdown(hostile())
    assert not {"\x1b", "\u202e"} & set(text)
    prose, _, rest = text.partition("```yaml")
    assert "<" not in prose.replace("\\<", "")
    assert "](" not in prose
    tables = [block.splitlines() for block in prose.split("\n\n") if block.startswith("|")]
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert rest.count("```") == 1


def test_nobody_is_mentioned_in_markdown() -> None:
    said = Said(at(40), "pause", {"actor": "@ann", "reason": "as @org/team asked"}, "no new step")
    prose = markdown(made([*STARTED, said, ended(60, reason="ask @bob")], 60)).partition("```yaml")[0]
    assert "org/team" in prose
    assert not re.search(r"(?<!\w)@\w", prose)


def test_a_fence_in_the_specification_doesn_t_end_it() -> None:
    spec = SPEC.model_copy(update={"change": Change(images={"model": "```"})})
    text = markdown(made([*STARTED, ended(40, spec=spec)], 40))
    assert "\n````yaml\n" in text
    assert "\n````\n" in text


def test_hostile_names_stay_on_their_lines_of_a_terminal() -> None:
    shown = printed(hostile(), width=2000)
    assert not {"\x1b", "\u202e"} & set(shown)
    (reason,) = (line for line in shown.splitlines() if line.startswith("outcome"))
    assert "<script>alert(1)</script>\"'`| # [x](javascript:y)[31m" in reason


def test_the_terminal_says_what_matters() -> None:
    shown = printed(made(DONE, 3600))
    for line in (
        "outcome   completed in 1 h",
        "promise   kept: 2 groups served at the fewest (2 promised), 3 were asked for at the most (3 allowed)",
        "2026-01-02 03:00:40 UTC ada: pause (error rate is up): no new step",
    ):
        assert line in shown


def test_of_a_rollout_that_lasts_nothing_is_said_for_good() -> None:
    told = Outline(page(made(STARTED, 45))).text
    for words in ("running", "kept so far", "Runs for", "as of 2026-01-02 03:00:45 UTC", "30 s so far"):
        assert words in told


def test_a_group_that_loads_when_it_ends_is_not_given_up() -> None:
    text = markdown(made([*STARTED, ended(45, Phase.ABORTED)], 45))
    assert "30 s, not ready when it ended" in text
    assert "given up" not in text


@pytest.mark.parametrize("outcome", ["running", "terminated", "rolled back"])
def test_a_rollout_that_goes_back_says_where_its_groups_serve(outcome: str) -> None:
    back = saw(50, seen("nss"), aim=Aim(strategy=SPEC.strategy, course=Course.BACK), template=OLD)
    end: dict[str, list[Happened]] = {
        "terminated": [Ended(at(60), "terminated")],
        "rolled back": [ended(60, Phase.ROLLED_BACK)],
    }
    report = made([*STARTED, back, *end.get(outcome, [])], 60)
    assert report.outcome == outcome
    words = "1 of 3 groups serve on the old revision"
    assert words in Outline(page(report)).text
    assert words in markdown(report)


def test_before_the_old_revision_is_in_place_nothing_tells_who_serves_on_it() -> None:
    back = Aim(strategy=SPEC.strategy, course=Course.BACK)
    report = made([*STARTED, saw(50, seen("ooo", on_target=False), aim=back, template=OLD)], 60)
    assert report.updated is None
    assert "groups serve on" not in markdown(report)


def test_what_went_wrong_is_said_everywhere() -> None:
    report = made([*STARTED, saw(60, seen("dos", partition=2)), saw(90, seen("oon", partition=2))], 100)
    line = "03:01:00 for 30 s: 1 served, at least 2 had to: group 0 unready without having been released"
    assert line in Outline(page(report)).text
    assert line in markdown(report)
    assert line in printed(report, width=200)


def test_a_rollout_that_was_seen_nothing_of_is_told_of_too() -> None:
    report = made([], 5)
    assert report.promise.kept is None
    for text in (page(report), markdown(report), printed(report)):
        assert "not known" in text

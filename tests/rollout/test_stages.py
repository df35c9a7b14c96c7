"""The stage tables of the LWS documentation, from the readiness events they tell of."""

from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Step, Wait, plan
from rollwright.rollout.simulator import simulate_stages
from rollwright.rollout.spec import GatedStep, Reclaim, Strategy
from rollwright.rollout.stages import Stage, extend, first_stage, in_letters

MARKS = {"✅": "updated", "❎": "outdated", "⏳": "rolling"}


def table(text: str) -> list[tuple[int, int, int, list[str], str]]:
    """The rows of a table in the form of the documentation."""
    rows = []
    for line in text.strip().splitlines():
        stage, partition, replicas, *groups, note = [cell.strip() for cell in line.strip().strip("|").split("|")]
        marks = [MARKS[group] for group in groups if group]
        rows.append((int(stage), int(partition), int(replicas), marks, note))
    return rows


def as_rows(stages: tuple[Stage, ...]) -> list[tuple[int, int, int, list[str], str]]:
    return [(row.stage, row.partition, row.replicas, [str(mark) for mark in row.groups], row.note) for row in stages]


class Story:
    """Four groups, maxUnavailable 2, maxSurge 2, told event by event."""

    def __init__(self, reclaim: Reclaim) -> None:
        self.strategy = Strategy(max_unavailable=2, max_surge=2, reclaim=reclaim)
        self.seen = Observation(
            replicas=4,
            groups_asked=4,
            partition=0,
            groups=tuple(Group(ordinal=i, updated=False, ready=True) for i in range(4)),
            on_target=False,
        )
        self.stages: tuple[Stage, ...] = (first_stage(self.seen),)

    def look(self, *, ready: tuple[int, ...] = (), failed: tuple[int, ...] = (), settled: bool = True) -> None:
        """These became ready, those failed; then the planner decides and its step is carried out."""
        groups = tuple(
            group.model_copy(update={"ready": (group.ready or group.ordinal in ready) and group.ordinal not in failed})
            for group in self.seen.groups
        )
        self.seen = self.seen.model_copy(update={"groups": groups, "settled": settled})
        verdict = plan(self.strategy, self.seen)
        self.stages = extend(self.stages, self.seen, verdict)
        if isinstance(verdict, Step):
            self._carry_out(verdict)

    def _carry_out(self, step: Step) -> None:
        kept = list(self.seen.groups[: step.groups])
        kept += [Group(ordinal=i, updated=True, ready=False) for i in range(len(kept), step.groups)]
        self.seen = Observation(
            replicas=4,
            groups_asked=step.groups,
            partition=step.partition,
            groups=tuple(
                group
                if group.updated or group.ordinal < step.partition
                else Group(ordinal=i, updated=True, ready=False)
                for i, group in enumerate(kept)
            ),
        )


def test_the_default_rollout_is_the_table_of_the_lws_documentation_row_by_row() -> None:
    story = Story(Reclaim.GRADUAL)
    story.look()  # the change is put in place
    story.look()  # it has arrived
    story.look(ready=(4,))
    story.look(ready=(5,))
    story.look(ready=(3,))
    story.look(ready=(1,))
    story.look(ready=(0, 2), failed=(1,))
    story.look(ready=(1,))
    assert as_rows(story.stages) == table("""
        | 1 | 0 | 4 | ✅ | ✅ | ✅ | ✅ |    |    | Before rolling update |
        | 2 | 4 | 6 | ❎ | ❎ | ❎ | ❎ | ⏳ | ⏳ | Rolling update started |
        | 3 | 2 | 6 | ❎ | ❎ | ⏳ | ⏳ | ⏳ | ⏳ | Partition changes from 4 to 2 |
        | 4 | 2 | 6 | ❎ | ❎ | ⏳ | ⏳ | ✅ | ⏳ | Since the last replica is not ready, partition does not change |
        | 5 | 0 | 6 | ⏳ | ⏳ | ⏳ | ⏳ | ✅ | ✅ | Partition changes from 2 to 0 |
        | 6 | 0 | 6 | ⏳ | ⏳ | ⏳ | ✅ | ✅ | ✅ | |
        | 7 | 0 | 5 | ⏳ | ✅ | ⏳ | ✅ | ✅ |    | Reclaim a replica for the accommodation of unready ones |
        | 8 | 0 | 4 | ✅ | ⏳ | ✅ | ✅ |    |    | Release another replica |
        | 9 | 0 | 4 | ✅ | ✅ | ✅ | ✅ |    |    | Rolling update completed |
    """)


def test_a_long_table_keeps_its_first_row_and_its_last_ones() -> None:
    """A group that comes and goes for days adds a row each time; the history that carries them has limits."""
    many = Observation(
        replicas=200,
        groups_asked=200,
        partition=0,
        groups=tuple(Group(ordinal=i, updated=True, ready=True) for i in range(200)),
    )
    flapping = many.model_copy(
        update={"groups": (many.groups[0].model_copy(update={"ready": False}), *many.groups[1:])}
    )
    stages: tuple[Stage, ...] = (first_stage(many),)
    for _ in range(300):
        stages = extend(stages, flapping, Wait(reason=""))
        stages = extend(stages, many, Wait(reason=""))
    assert len(stages) == 100
    assert (stages[0].stage, stages[1].stage, stages[-1].stage) == (1, 503, 601)


def test_prompt_reclaim_is_the_newer_table_from_its_sixth_row_on() -> None:
    story = Story(Reclaim.PROMPT)
    story.look()
    story.look()
    story.look(ready=(4,))
    story.look(ready=(5,))
    story.look(ready=(2, 3), settled=False)  # seen before the partition's arrival is
    story.look()
    story.look(ready=(1,))
    story.look(ready=(0,))
    assert as_rows(story.stages)[4:] == table("""
        | 5 | 0 | 6 | ⏳ | ⏳ | ⏳ | ⏳ | ✅ | ✅ | Partition changes from 2 to 0 |
        | 6 | 0 | 6 | ⏳ | ⏳ | ✅ | ✅ | ✅ | ✅ | |
        | 7 | 0 | 4 | ⏳ | ⏳ | ✅ | ✅ |    |    | Reclaim 2 replicas |
        | 8 | 0 | 4 | ⏳ | ✅ | ✅ | ✅ |    |    | |
        | 9 | 0 | 4 | ✅ | ✅ | ✅ | ✅ |    |    | Rolling update completed |
    """)


def test_a_plan_shows_where_its_gates_wait() -> None:
    strategy = Strategy(max_unavailable=1, steps=(GatedStep(until=1), GatedStep(until="50%")))
    rows = simulate_stages(strategy, 4, lambda _ordinal: 1.0)
    gates = [(row.note, row.partition) for row in rows if row.note.startswith("Gate")]
    assert gates == [("Gate 1 waits", 3), ("Gate 2 waits", 2)]
    assert rows[-1].note == "Rolling update completed"


def test_rows_are_kept_with_a_letter_a_group_and_read_back_as_they_were() -> None:
    rows = tuple(simulate_stages(Strategy(max_unavailable=2, max_surge=1), 4, lambda _ordinal: 1.0))
    kept = in_letters(rows)
    assert kept[1]["groups"] == "oooor"
    assert tuple(Stage.model_validate(row) for row in kept) == rows
    assert tuple(Stage.model_validate(row.model_dump(mode="json")) for row in rows) == rows

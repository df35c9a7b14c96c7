"""What people have decided, and what follows from it for the planner."""

import pytest

from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Action, Blocked, Done, Failed, Step
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import BY_PODS, GatedStep, InEndpoints, Pacing, Serves, Strategy, SurgeDuringGates

GATED = Strategy(max_unavailable=1, steps=(GatedStep(until=1), GatedStep(until="50%")), on_stall=OnFailure.ROLLBACK)


def seen(updated: str, *, partition: int, **changes: object) -> Observation:
    """A letter a group: U done, o old and ready, F failed."""
    groups = tuple(
        Group(ordinal=i, updated=letter in "UF", ready=letter != "F", failed=letter == "F")
        for i, letter in enumerate(updated)
    )
    observation = Observation(replicas=len(groups), groups_asked=len(groups), partition=partition, groups=groups)
    return observation.model_copy(update=changes)


def test_forward_stops_at_the_next_gate_that_is_not_passed() -> None:
    assert Aim(strategy=GATED).plan(seen("oooU", partition=3)) == Done()
    assert Aim(strategy=GATED).gate_ahead(4) == 0
    on = Aim(strategy=GATED, gate=1)
    assert on.plan(seen("oooU", partition=3)) == Step(action=Action.LOWER_PARTITION, partition=2, groups=4)
    assert on.plan(seen("ooUU", partition=2)) == Done()
    assert Aim(strategy=GATED, gate=2).gate_ahead(4) is None


@pytest.mark.parametrize("course", [Course.BACK, Course.STOP])
def test_gates_are_for_the_way_forward_alone(course: Course) -> None:
    assert Aim(strategy=GATED, course=course).gate_ahead(4) is None


def test_a_gate_that_the_partition_holds_anyway_is_none() -> None:
    canary = GATED.model_copy(update={"partition": 2})
    assert Aim(strategy=canary, gate=1).gate_ahead(4) is None


@pytest.mark.parametrize(("replicas", "gate"), [(4, 0), (2, 0), (1, None), (0, None)])
def test_gates_count_from_the_replicas_there_are(replicas: int, gate: int | None) -> None:
    """One group of one is all of it: nothing is left to be gated."""
    assert Aim(strategy=GATED).gate_ahead(replicas) == gate


def test_back_goes_all_the_way_whatever_the_strategy_holds() -> None:
    canary = GATED.model_copy(update={"partition": 2})
    back = Aim(strategy=canary, course=Course.BACK)
    assert back.plan(seen("UUoo", partition=4)) == Step(action=Action.LOWER_PARTITION, partition=3, groups=4)
    assert back.plan(seen("UUoU", partition=3)) == Step(action=Action.LOWER_PARTITION, partition=2, groups=4)
    assert back.effective.pacing is Pacing.ORDERED
    assert back.model_copy(update={"fast": True}).effective.pacing is Pacing.EAGER


def test_on_the_way_back_a_group_that_was_broken_all_along_keeps_no_other_from_being_brought_back() -> None:
    strategy = Strategy(max_unavailable=1)
    halfway = seen("FUUo", partition=4)
    assert isinstance(Aim(strategy=strategy).plan(halfway), Failed)
    broken = halfway.groups[3].model_copy(update={"ready": False})
    halfway = halfway.model_copy(update={"groups": (*halfway.groups[:3], broken)})
    back = Aim(strategy=strategy, course=Course.BACK)
    step = back.plan(halfway)
    assert isinstance(step, Step)
    assert (step.action, step.partition) == (Action.LOWER_PARTITION, 3)
    assert back.plan(seen("FUUU", partition=0)) == Done()


def test_stop_releases_nothing_and_leaves_the_partition_also_of_a_target_scaled_to_nothing() -> None:
    stop = Aim(strategy=Strategy(max_unavailable=1), course=Course.STOP)
    assert stop.plan(seen("ooUU", partition=2)) == Done()
    assert stop.plan(seen("", partition=2)) == Done()
    assert stop.plan(seen("o", partition=3)) == Done()


def test_failures_end_no_abort() -> None:
    stop = Aim(strategy=Strategy(max_unavailable=1), course=Course.STOP)
    assert stop.plan(seen("ooUF", partition=2)) == Done()
    assert isinstance(stop.model_copy(update={"course": Course.FORWARD}).plan(seen("ooUF", partition=2)), Failed)


@pytest.mark.parametrize(
    ("course", "on_stall"),
    [(Course.FORWARD, OnFailure.ROLLBACK), (Course.BACK, OnFailure.PAUSE), (Course.STOP, OnFailure.PAUSE)],
)
def test_a_course_that_somebody_has_set_is_not_overruled_by_failures(course: Course, on_stall: OnFailure) -> None:
    assert Aim(strategy=GATED, course=course).effective.on_stall is on_stall


@pytest.mark.parametrize("groups", ["oooo", ""])
@pytest.mark.parametrize("steps", [(), (GatedStep(until=0),)])
def test_a_dispute_is_for_people_wherever_the_rollout_is_held(groups: str, steps: tuple[GatedStep, ...]) -> None:
    """Also at a gate that holds every group, and where there is none."""
    disputed = seen(groups, partition=len(groups), on_target=False, dispute="the template")
    strategy = Strategy(max_unavailable=1, steps=steps)
    for course in (Course.FORWARD, Course.BACK):
        assert isinstance(Aim(strategy=strategy, course=course).plan(disputed), Blocked)
    stop = Aim(strategy=strategy, course=Course.STOP)
    assert stop.plan(disputed.model_copy(update={"on_target": True})) == Done()


@pytest.mark.parametrize("course", Course)
def test_what_somebody_else_changes_is_frozen_on_every_course(course: Course) -> None:
    edited = seen("oooU", partition=0, edited="partition 3 -> 0")
    verdict = Aim(strategy=GATED, course=course).plan(edited)
    assert verdict == Step(action=Action.FREEZE, partition=4, groups=4)


def test_the_surge_that_finds_no_nodes_is_not_asked_for() -> None:
    strategy = Strategy(max_unavailable=1, max_surge=2)
    fresh = seen("oooo", partition=0, on_target=False)
    for limit, groups in ((None, 6), (1, 5), (0, 4)):
        step = Aim(strategy=strategy, surge_limit=limit).plan(fresh)
        assert step == Step(action=Action.PREPARE, partition=4, groups=groups)


IN_SERVICE = Serves(endpoint=InEndpoints(service="llm"))


@pytest.mark.parametrize(
    ("course", "readiness"), [(Course.FORWARD, IN_SERVICE), (Course.STOP, IN_SERVICE), (Course.BACK, BY_PODS)]
)
def test_a_step_says_by_what_groups_counted_as_ready_and_on_the_way_back_that_is_their_pods(
    course: Course, readiness: Serves
) -> None:
    """What shows that the new version serves may be new with it."""
    aim = Aim(strategy=Strategy(max_unavailable=1, max_surge=1, readiness=IN_SERVICE), course=course)
    step = aim.plan(seen("UUUU", partition=0, on_target=False))
    assert isinstance(step, Step)
    assert (step.readiness, aim.effective.readiness) == (readiness, readiness)


def test_before_the_first_group_no_surge_is_begun_though_it_is_kept_during_gates() -> None:
    steps = (GatedStep(until=0, gates=(Bake(duration=60),)), GatedStep(until=1, gates=(Bake(duration=60),)))
    aim = Aim(strategy=Strategy(max_surge=2, steps=steps, surge_during_gates=SurgeDuringGates.KEEP))
    seen = World(4).observe("new")
    groups = [aim.model_copy(update={"gate": gate}).plan(seen) for gate in (0, 1)]
    assert [step.groups for step in groups if isinstance(step, Step)] == [4, 6]


def test_gates_are_asked_also_once_all_is_updated_but_people_are_not() -> None:
    smoke = Strategy(steps=(GatedStep(until="100%", gates=(Bake(duration=60),)), GatedStep(until="100%")))
    assert Aim(strategy=smoke).gate_ahead(4) == 0
    assert Aim(strategy=smoke, gate=1).gate_ahead(4) is None
    canary = smoke.model_copy(update={"partition": 3})
    assert (Aim(strategy=canary).gate_ahead(4), Aim(strategy=canary).bounds(4)[0].ordinal) == (0, 3)
    assert Aim(strategy=smoke, course=Course.BACK).gate_ahead(4) is None

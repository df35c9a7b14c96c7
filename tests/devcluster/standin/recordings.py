"""Recordings of the real LWS controller, cut into what the world did and what the controllers made of it.

Time plays no part in what is compared, but for one thing: a state counts as one at rest if it lasted.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

TRACES = Path(__file__).parents[2] / "data" / "lws-v0.9.0-traces"
# The parts of a recorded state were read one after another: one that lasted less may mix two moments.
AT_REST_SECONDS = 0.15
# Pods that were created together became ready together, more or less.
TOGETHER_SECONDS = 0.3


class Step(NamedTuple):
    """What the world did, and what was seen before it did the next thing."""

    stimulus: Json
    """{"action": ...} as recorded, or {"ready": names of pods}."""
    leaders: Json | None
    """The leader StatefulSet; None if LWS had not seen the stimulus yet."""
    at_rest: Json | None
    """All that is compared; None if something was still moving."""
    untouched: frozenset[str]
    """The groups that stayed ready on one revision all the while."""


class Revisions:
    """Names for the revisions of one run: a hash is called by the number it first appeared with."""

    def __init__(self) -> None:
        self._names = {"": "none"}

    def learn(self, state: Json) -> None:
        for name in sorted(state["controllerRevisions"], key=lambda name: int(name.rsplit("-", 1)[1])):
            _, revision_hash, number = name.rsplit("-", 2)
            self._names.setdefault(revision_hash, f"r{number}")

    def leaders(self, state: Json) -> Json | None:
        """Return what is compared of the leader StatefulSet, None if LWS has not seen the newest object."""
        if state["leader_sts"] is None or state["lws"]["generation"] != state["status"]["observedGeneration"]:
            return None
        return {**state["leader_sts"], "revision": self._names[state["leader_sts"]["revision"]]}

    def at_rest(self, state: Json, size: int) -> Json | None:
        """Return what is compared of a whole state, None if something in it is on its way."""
        leaders, groups = self.leaders(state), state["groups"]
        if leaders is None or sorted(map(int, groups)) != list(range(leaders["replicas"])):
            return None
        summaries = {ordinal: self._group(group, size) for ordinal, group in groups.items()}
        if None in summaries.values():
            return None
        numbered = [name.rsplit("-", 2)[1:] for name in state["controllerRevisions"]]
        revisions = sorted(f"{self._names[revision_hash]} as {number}" for revision_hash, number in numbered)
        return {"leaders": leaders, "groups": summaries, "revisions": revisions, "status": state["status"]}

    def _group(self, group: Json, size: int) -> str | None:
        pods = [pod for role, pod in group.items() if role != "workers"]
        workers = group.get("workers")
        revisions = {part["revision"] for part in group.values()}
        readiness = {pod["ready"] for pod in pods} | ({workers["ready"] == size - 1} if workers else set())
        complete = len(pods) == size and (workers is not None or size == 1) and "leader" in group
        if not complete or any(pod["terminating"] for pod in pods) or len(revisions) > 1 or len(readiness) > 1:
            return None
        return f"{self._names[revisions.pop()]}, {'ready' if readiness.pop() else 'starting'}"


class Segment(NamedTuple):
    """The recorded lines from one stimulus to the next: the stimulus, and the states with the seconds they lasted."""

    stimulus: Json
    began: float
    states: list[tuple[Json, float]]


def _ready_pods(state: Json) -> set[str]:
    """Return the names of the ready pods, but for those of a former leader of their group or of one on its way out."""
    return {
        f"t-{ordinal}" if role == "leader" else f"t-{ordinal}-{role.removeprefix('worker-')}"
        for ordinal, group in state["groups"].items()
        if "leader" in group and not group["leader"]["terminating"]
        for role, pod in group.items()
        if role != "workers"
        and pod["revision"] == group["leader"]["revision"]
        and pod["ready"]
        and not pod["terminating"]
    }


def _ready_groups(state: Json, size: int) -> frozenset[str]:
    ready = _ready_pods(state)
    return frozenset(
        ordinal
        for ordinal, group in state["groups"].items()
        if ready >= {f"t-{ordinal}", *(f"t-{ordinal}-{index}" for index in range(1, size))}
        and group.get("workers", {"ready": size - 1})["ready"] == size - 1
    )


def size_of(lines: Iterable[Json]) -> int:
    """Return the pods in a group of a recording."""
    return max(len(group) - ("workers" in group) for line in lines for group in line.get("groups", {}).values())


def segments_of(lines: list[Json]) -> Iterator[Segment]:
    """Cut a recording at its actions and where pods became ready."""
    ends = [line["t"] for line in lines[1:]] + [float("inf")]
    ready: set[str] = set()
    segment: Segment | None = None
    for line, end in zip(lines, ends, strict=True):
        if "action" in line:
            if str(line["action"]).startswith("adopt"):
                continue  # a remark on the next one
            if segment:
                yield segment
            segment = Segment({"action": line["action"]}, line["t"], [])
            continue
        assert segment is not None
        newly_ready = _ready_pods(line) - ready
        ready = _ready_pods(line)
        if newly_ready and "ready" in segment.stimulus and line["t"] - segment.began < TOGETHER_SECONDS:
            segment.stimulus["ready"] |= newly_ready
        elif newly_ready:
            yield segment
            segment = Segment({"ready": newly_ready}, line["t"], [])
        segment.states.append((line, end - line["t"]))
    assert segment is not None
    yield segment


def steps_of(lines: list[Json]) -> list[Step]:
    """Return what a recording asks of a replay."""
    size, revisions, steps = size_of(lines), Revisions(), []
    for segment in segments_of(lines):
        if not segment.states:
            steps.append(Step(segment.stimulus, None, None, frozenset()))
            continue
        for state, _ in segment.states:
            revisions.learn(state)
        last, lasted_seconds = segment.states[-1]
        steps.append(
            Step(
                stimulus=segment.stimulus,
                leaders=revisions.leaders(last),
                at_rest=revisions.at_rest(last, size) if lasted_seconds >= AT_REST_SECONDS else None,
                untouched=frozenset.intersection(*(_ready_groups(state, size) for state, _ in segment.states)),
            )
        )
    return steps


def read_trace(name: str) -> list[Json]:
    return [json.loads(line) for line in (TRACES / f"{name}.jsonl").read_text().splitlines()]


NAMES = sorted(path.stem for path in TRACES.glob("*.jsonl"))

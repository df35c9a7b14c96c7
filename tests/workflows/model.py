"""What is expected of a rollout, as one would tell it: who said what, and what the cluster looks like.

It is written apart from the workflow and shares nothing with it. It knows no steps: only where a rollout stands once
everything that can be done without further news is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

TAKEN, STANDS, REFUSED = "taken", "stands", "refused"


class Facts(NamedTuple):
    """The cluster, once nothing more is done to it."""

    standing: str
    """The revision that the target has now."""
    replicas: int
    asked: int
    partition: int
    pods: Mapping[int, tuple[str, bool]]
    """Revision, and whether it serves, by ordinal."""
    broken: frozenset[str]
    begun: bool
    """Whether a step was ever tried."""
    disputed: bool
    away: bool
    gone: bool
    """Deleted, or another one under its name."""


@dataclass
class Model:
    gates: tuple[int, ...] = ()
    """Groups that are updated at each."""
    on_stall: str = "pause"
    tolerated: int = 0
    change: str = "new"
    course: str = "forward"
    paused: bool = False
    passed: int = 0
    at_gate: int | None = None
    """The gate that waits, from 0."""
    side: str | None = None
    """Whose version holds, as long as that can't be carried out."""
    end: str = ""

    def hear(self, message: str, phase: str, facts: Facts, **given: object) -> str:
        """Somebody says this in this phase: whether it is taken, stands already, or is refused."""
        return str(getattr(self, message)(phase, facts, **given))

    def pause(self, phase: str, facts: Facts, **given: object) -> str:
        if self.paused:
            return STANDS
        self.paused = True
        return TAKEN

    def resume(self, phase: str, facts: Facts, *, side: str | None = None, **given: object) -> str:
        asked = facts.disputed and self.side is None and self.course != "stop"
        if (asked and side is None) or (side is not None and not facts.disputed):
            return REFUSED
        if side is None or self.course == "stop":
            return self._resume(phase)
        if side == self.side and not self.paused:
            return STANDS
        self.paused, self.side = False, side
        if side == "theirs":
            if (self.change, self.course) != ("theirs", "forward"):
                self.passed, self.at_gate = 0, None
            self.change, self.course = "theirs", "forward"
        return TAKEN

    def _resume(self, phase: str) -> str:
        if phase == "gated":
            return REFUSED
        if phase not in ("paused", "stalled"):
            return STANDS
        self.paused = False
        return TAKEN

    def abort(self, phase: str, facts: Facts, **given: object) -> str:
        if phase == "aborting":
            return STANDS
        self.course, self.paused, self.at_gate, self.side = "stop", False, None, None
        return TAKEN

    def rollback(self, phase: str, facts: Facts, **given: object) -> str:
        if not facts.begun or self.change == "old":
            return REFUSED
        self.course, self.paused, self.at_gate = "back", False, None
        self.side = "ours" if facts.disputed else None
        return TAKEN

    def promote(self, phase: str, facts: Facts, *, full: bool = False, gate: int | None = None, **given: object) -> str:
        if self.course != "forward":
            return REFUSED
        if gate is not None and gate <= self.passed:
            return STANDS
        if full and self.passed < len(self.gates):
            self.passed, self.at_gate = len(self.gates), None
            return TAKEN
        if self.at_gate is None or gate not in (None, self.at_gate + 1):
            return REFUSED
        self.passed, self.at_gate = self.at_gate + 1, None
        return TAKEN

    def retarget(self, phase: str, facts: Facts, *, image: str, **given: object) -> str:
        if image == "refused":
            return REFUSED
        self.change, self.course, self.passed, self.at_gate = image, "forward", 0, None
        self.side = "ours" if facts.disputed else None
        return TAKEN

    @property
    def wanted(self) -> str | None:
        """The revision to have; None for whatever there is."""
        return {"forward": self.change, "back": "old", "stop": None}[self.course]

    def held(self, replicas: int) -> int:
        """Ordinals below it are not to be updated now."""
        open_gates = self.gates[self.passed :] if self.course == "forward" else ()
        return next((replicas - gate for gate in open_gates if gate < replicas), 0)

    def comes_to_rest(self, facts: Facts) -> str:
        """The phase to be shown in the end."""
        self.side = self.side if facts.disputed else None
        self._ends(facts)
        if self.end:
            return self.end
        if facts.away or (facts.disputed and self.course != "stop" and not self.paused):
            return "stalled"
        if self.paused:
            return "paused"
        if self._has_failed(facts) and not self._takes_itself_back():
            return "stalled"
        if not self._failed(facts) and self._waits_for_nothing(facts):
            return "stalled"
        if self.course == "forward" and self.at_gate is None and not facts.begun:
            return "preparing"
        if self.at_gate is not None:
            return "gated"
        return {"forward": "progressing", "back": "rolling back", "stop": "aborting"}[self.course]

    def _ends(self, facts: Facts) -> None:
        if self.end or facts.away:
            return
        if facts.gone:
            self.end = "target deleted"
        elif self.course == "stop" and not facts.begun:
            self.end = "aborted"
        elif not self.paused and not (facts.disputed and self.course != "stop") and self._all_there(facts):
            gates = [
                number for number, gate in enumerate(self.gates) if number >= self.passed and gate < facts.replicas
            ]
            if self.course == "forward" and gates:
                self.at_gate = gates[0]
            else:
                self.end = {"forward": "completed", "back": "rolled back", "stop": "aborted"}[self.course]

    def _all_there(self, facts: Facts) -> bool:
        if facts.asked != facts.replicas:
            return False
        if self.course == "stop":
            return True
        held = self.held(facts.replicas)
        if facts.standing == self.wanted:
            held = min(held, facts.partition)  # scaled up, a gate lies higher: what it let go by then is in flight
        ours = range(held, facts.replicas)
        failed = self._failed(facts)
        return len(failed) <= self.tolerated and all(
            facts.pods[ordinal] == (self.wanted, True) or ordinal in failed for ordinal in ours
        )

    def _failed(self, facts: Facts) -> list[int]:
        target = self.wanted or facts.standing
        if target not in facts.broken:
            return []
        return [o for o, pod in facts.pods.items() if pod == (target, False) and o < facts.asked]

    def _has_failed(self, facts: Facts) -> bool:
        """More than is tolerated; or those that are tolerated are all that the rest waits for."""
        failed = self._failed(facts)
        tolerated = self.tolerated if self.course != "stop" else len(failed)
        return len(failed) > tolerated or (bool(failed) and self._waits_for_nothing(facts))

    def _waits_for_nothing(self, facts: Facts) -> bool:
        """Nothing that was started is still to come, and yet not all is there."""
        target, failed = self.wanted or facts.standing, self._failed(facts)
        starting = [
            ordinal
            for ordinal, (revision, serves) in facts.pods.items()
            if not serves and ordinal not in failed and (revision == target or ordinal >= facts.partition)
        ]
        return not starting and not self._all_there(facts)

    def is_told_of_failures(self, facts: Facts) -> None:
        """The rollout says that too much had failed; by now there may be nothing left of it."""
        if self.change in facts.broken:
            self._takes_itself_back()

    def _takes_itself_back(self) -> bool:
        if self.course != "forward" or self.on_stall == "pause":
            return False
        self.course = {"rollback": "back", "abort": "stop"}[self.on_stall]
        self.at_gate = None
        return True

"""What an API server might have gone through, told change by change: frames for the tests of the judges."""

from datetime import UTC, datetime
from typing import Any

from rollwright.devcluster.history import Change, GroupSet, Pod, Spec, Watched
from rollwright.devcluster.watcher import Frame
from tests.chaos.promise import WISH

NAME = "llm"


class Story:
    """Groups of one pod, on model:1 and serving; a change a second."""

    def __init__(self, replicas: int) -> None:
        self.frames: list[Frame] = []
        self._now = 1000.0
        self._spec = Spec(
            0, replicas, "model:1", 1, 1, annotations={WISH: f"{replicas}/0", "rollwright.io/fence": self.fence}
        )
        self._sets: dict[str, GroupSet | None] = {NAME: GroupSet("set", "", replicas, 1, 1)}
        self._pods: dict[str, Pod | None] = {}
        for ordinal in range(replicas):
            self._pods[f"{NAME}-{ordinal}"] = pod(ordinal)
        self._tell(Watched.TARGET, NAME, self._spec)

    def write(self, *, fence: str = "", **fields: Any) -> None:
        """Rollwright writes partition, replicas or image, which nobody has taken up yet.

        `fence`: of a step that was scheduled before.
        """
        generation = self._spec.generation + 1
        annotations = {**self._spec.annotations, "rollwright.io/fence": fence or self.fence}
        self._spec = self._spec._replace(**fields, generation=generation, annotations=annotations)
        self._tell(Watched.TARGET, NAME, self._spec)

    def act(self) -> None:
        """A step of rollwright's leaves its fence, and the spec as it is: it deletes pods."""
        self._spec = self._spec._replace(annotations={**self._spec.annotations, "rollwright.io/fence": self.fence})
        self._tell(Watched.TARGET, NAME, self._spec)

    def hold(self) -> None:
        """Rollwright takes the target in hand: what it asks for is its own from now on."""
        self._spec = self._spec._replace(annotations={**self._spec.annotations, "rollwright.io/record": "{}"})

    def scale(self, replicas: int) -> None:
        """The user does."""
        annotations = {**self._spec.annotations, WISH: f"{replicas}/{self._spec.generation}"}
        generation = self._spec.generation + 1
        self._spec = self._spec._replace(replicas=replicas, generation=generation, annotations=annotations)
        self._tell(Watched.TARGET, NAME, self._spec)

    def settle(self) -> None:
        """The controllers take up what was written."""
        self._spec = self._spec._replace(observed=self._spec.generation)
        self._tell(Watched.TARGET, NAME, self._spec)
        self.lws_asks_for(self._spec.replicas)
        leaders = self._sets[NAME]
        assert leaders
        self._sets = {**self._sets, NAME: leaders._replace(observed=leaders.generation)}
        self._tell(Watched.SETS, NAME, self._sets[NAME])

    def lws_asks_for(self, replicas: int) -> None:
        """LWS writes another number of leaders than the spec's."""
        leaders = self._sets[NAME]
        assert leaders
        generation = leaders.generation + 1
        self._sets = {**self._sets, NAME: leaders._replace(replicas=replicas, generation=generation)}
        self._tell(Watched.SETS, NAME, self._sets[NAME])

    def leave(self, ordinal: int, **fields: Any) -> None:
        """Somebody has asked for the deletion of a leader."""
        before = self._pods[f"{NAME}-{ordinal}"]
        assert before
        self.pod(before._replace(serves=False, terminating=True, **fields))

    def come(self, ordinal: int, image: str, *, uid: str = "", serves: bool = True) -> None:
        """A leader is gone, and there is another."""
        self._change(ordinal, None)
        self.pod(pod(ordinal, image, uid=uid or f"{ordinal} on {image}", serves=serves))

    def go(self, ordinal: int) -> None:
        """A leader is gone without having been seen to leave."""
        self._change(ordinal, None)

    def pod(self, now: Pod) -> None:
        """A leader changes."""
        self._change(now.ordinal, now)

    def _change(self, ordinal: int, now: Pod | None) -> None:
        self._pods = {**self._pods, f"{NAME}-{ordinal}": now}
        self._tell(Watched.PODS, f"{NAME}-{ordinal}", now)

    def _tell(self, of: Watched, name: str, item: Spec | GroupSet | Pod | None) -> None:
        self._now += 1
        change = Change(len(self.frames), self._now, of, name, item)
        self.frames.append(Frame(change, True, self._spec, self._sets[NAME], self._sets, self._pods))

    @property
    def fence(self) -> str:
        """Of a step that is scheduled now."""
        return f"{datetime.fromtimestamp(self._now + 0.5, UTC).isoformat()} rollout/lws/default/llm"


def pod(ordinal: int, image: str = "model:1", *, uid: str = "", serves: bool = True) -> Pod:
    """A leader of a group of one."""
    uid = uid or f"{ordinal} on {image}"
    return Pod(uid, "set", ordinal, is_leader=True, revision=image, size=1, serves=serves, image=image)

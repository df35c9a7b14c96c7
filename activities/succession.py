"""Whether another build of rollwright is current: then waits end now and then, so that their rollouts can move to it.

A rollout is pinned to the build it runs on, and learns of another one only when it is asked for its next step; one
that waits at a gate would not be asked for days.
"""

import time

_SOONEST_SECONDS = 2.0


class Succession:
    """What a worker knows of it. One without versions knows of none."""

    def __init__(self) -> None:
        self._since: float | None = None

    def note(self, *, is_current: bool) -> None:
        """Whether the worker's own build is the current one, as last asked."""
        if is_current:
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()

    def ends(self, began: float) -> bool:
        """Whether a wait that began then is to end for it: ever more rarely, as a rollout may have to stay.

        The server takes a moment to tell rollouts; and people may have pinned one to this very build.
        """
        if self._since is None:
            return False
        now = time.monotonic()
        return now - began > max(_SOONEST_SECONDS, (now - self._since) / 2)

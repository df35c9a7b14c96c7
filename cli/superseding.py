"""Whether a rollout still goes to what was asked for, or has been set another change by somebody."""

from rollwright.cli import views
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.outputs import Status
from rollwright.workflows.contract import RETARGET, RolloutInput


class SupersededError(CommandError):
    """Another change is in the place of the one that was asked for."""

    def __init__(self, rollout: str, what: str) -> None:
        """`what`: how that came."""
        super().__init__(
            what, todo=f"Follow what is rolled out now: rollwright watch {rollout}", code=ExitCode.SUPERSEDED
        )


class Claim:
    """What somebody has asked for and waits for.

    A rollout stands for it by any of three signs: it answers the very request; it goes to the very change, whoever has
    asked for that last; or its template is one that it had while it stood for it. The last is needed as the rollout
    knows a patch or a manifest, once it is on the target, only by its template.
    """

    def __init__(self, given: RolloutInput) -> None:
        self._given = given
        self._templates: set[str] = set()
        self._has_looked = False

    def check(self, status: Status) -> None:
        """Raise SupersededError if the rollout does not stand for it any more."""
        if not self._stands(status):
            raise SupersededError(status.rollout, _told(status))
        self._has_looked = True
        if status.revision:
            self._templates.add(status.revision)

    def _stands(self, status: Status) -> bool:
        asked, change = self._given, status.spec.change
        if asked.request_id and status.request_id == asked.request_id:
            return True
        if change == asked.spec.change or status.revision in self._templates:
            return True
        # Looked at late, the change has its template's name by now. A request of its own would be somebody else's.
        named = bool(asked.spec.change.patch or asked.spec.change.manifest) and change.revision is not None
        return named and not self._has_looked and not asked.request_id and not status.request_id


def _told(status: Status) -> str:
    said = next((event for event in reversed(status.events) if event.what.startswith(f"{RETARGET}:")), None)
    who, why = (said.actor, f" ({said.reason})" if said.reason else "") if said else ("somebody", "")
    return (
        f"superseded: {who or 'somebody'} has put another change in the place of the one that was waited for{why}; "
        f"{status.rollout} goes to {views.change(status.spec.change)} now"
    )

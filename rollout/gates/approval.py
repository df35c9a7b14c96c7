"""approval: people must say that it may go on."""

from typing import ClassVar, Literal

from pydantic import Field

from rollwright.rollout.gates.gate import Approval, Context, Finding, Gate, Progress, Reading
from rollwright.rollout.gates.questions import Answer


class ApprovalGate(Gate):
    """People must approve. An approval is bound to what was seen; see `seen` in the rollout's status."""

    kind: Literal["approval"] = Field(default="approval", description="Which gate it is.")
    approvers: int = Field(default=1, ge=1, le=20, description="How many different people.")

    BY_PEOPLE: ClassVar[bool] = True

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """Nothing is asked of anybody but people: `approved` and `rejected` decide."""
        return Reading(Finding.PENDING, progress.message)

    def opened(self, now: float) -> Progress:
        """Before anybody has said anything."""
        return Progress(since=now, message=self._waits_for(0))

    def approved(self, progress: Progress, approval: Approval) -> Progress:
        """With one more approval; each actor counts once."""
        approvals = (*progress.approvals, approval)
        enough = len(approvals) >= self.approvers
        by = ", ".join(given.actor for given in approvals)
        message = f"approved by {by}" if enough else f"{self._waits_for(len(approvals))}; approved by {by}"
        finding = Finding.PASSED if enough else Finding.PENDING
        return progress.model_copy(update={"approvals": approvals, "finding": finding, "message": message})

    def rejected(self, progress: Progress, actor: str, reason: str) -> Progress:
        """One rejection is enough, and nothing is begun anew after it."""
        message = f"rejected by {actor}" + (f": {reason}" if reason else "")
        return progress.model_copy(update={"finding": Finding.FAILED, "message": message})

    def _waits_for(self, given: int) -> str:
        missing = self.approvers - given
        return "waits to be approved" if self.approvers == 1 else f"waits for {missing} of {self.approvers} approvals"

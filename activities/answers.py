"""What answers the questions of gates: HTTP, Jobs, the nodes."""

from rollwright.activities.messages import CheckGate
from rollwright.cluster.api import Api
from rollwright.cluster.target import LiveTarget
from rollwright.rollout.gates.questions import Answer, Question
from rollwright.rollout.spec import Target


class Answers:
    """Answers for the targets of one cluster."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def answer(self, target: LiveTarget, request: CheckGate, question: Question) -> Answer:
        """What is found out; what can't be had is part of the answer."""
        raise NotImplementedError(question.question)

    async def clean_up(self, target: Target, rollout: str) -> None:
        """Remove what the gates of this rollout have made in the cluster."""

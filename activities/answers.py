"""What answers the questions of gates: HTTP, Jobs, the nodes."""

from datetime import datetime

from rollwright.activities import jobgates
from rollwright.activities.connections import Reach
from rollwright.activities.fetching import fetch
from rollwright.activities.messages import CheckGate
from rollwright.cluster import jobs
from rollwright.cluster.api import Api
from rollwright.cluster.capacity import count_places
from rollwright.cluster.target import LiveTarget
from rollwright.rollout.gates.questions import Answer, CountPlaces, Fetch, Question, RunJobs
from rollwright.rollout.spec import Target


class Answers:
    """Answers for the targets of one cluster."""

    def __init__(self, api: Api, reach: Reach) -> None:
        self._api = api
        self._reach = reach

    async def answer(self, target: LiveTarget, request: CheckGate, question: Question) -> Answer:
        """What is found out; what can't be had is part of the answer."""
        match question:
            case Fetch():
                return await fetch(question, self._reach)
            case CountPlaces():
                return await count_places(self._api, target, request.template, question)
            case RunJobs():
                return await jobgates.run(self._api, target, question)

    async def clean_up(self, target: Target, rollout: str, before: datetime) -> None:
        """Remove what the gates of this rollout have made in the cluster. Raises ClusterError."""
        await jobs.clean_up(self._api, target.namespace, jobs.gate_of(rollout), before)

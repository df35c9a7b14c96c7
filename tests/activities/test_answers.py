"""Which question is answered by what."""

from kubernetes.aio.client import ApiClient, Configuration

from rollwright.activities.answers import Answers
from rollwright.activities.connections import PLAIN_REACH
from rollwright.activities.messages import CheckGate
from rollwright.cluster.api import PODS, STATEFUL_SETS, Api
from rollwright.cluster.leaderworkerset import LeaderWorkerSetSnapshot
from rollwright.cluster.snapshot import Snapshot
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.gates.capacity import Capacity
from rollwright.rollout.gates.gate import Progress
from rollwright.rollout.gates.questions import CountPlaces, Places
from rollwright.rollout.spec import Strategy, Target
from tests.cluster.objects import leader_set, lws, pod

TARGET = Target(name="llm")
REQUEST = CheckGate(
    target=TARGET,
    template="llm-rw-u-abc",
    gate=Capacity(),
    progress=Progress(since=0.0),
    step=1,
    newly_from=0,
    newly_below=1,
    strategy=Strategy(),
)


class Seen(LiveTarget):
    """Known from the watches."""

    async def last_seen(self) -> Snapshot:
        return LeaderWorkerSetSnapshot(lws(1), {STATEFUL_SETS: [leader_set(1)], PODS: [pod(0)]})


async def test_places_are_counted_for_the_kept_template_and_an_api_server_that_is_away_is_part_of_the_answer() -> None:
    async with ApiClient(Configuration(host="http://127.0.0.1:9")) as client:
        api = Api(client)
        answer = await Answers(api, PLAIN_REACH).answer(Seen(api, Watches(api), TARGET), REQUEST, CountPlaces(most=1))
    assert isinstance(answer, Places)
    assert answer.error.startswith("get controllerrevisions default/llm-rw-u-abc:")
    assert answer.error.endswith("is the API server up?")

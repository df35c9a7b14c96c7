# The Kubernetes client has annotations in part only.
# mypy: allow-untyped-calls
"""The target of a round, as its user and its faults see it."""

import json
from collections.abc import Awaitable, Callable
from itertools import count

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException, CoreV1Api, V1DeleteOptions, V1Preconditions

from rollwright.rollout.spec import Change
from tests.chaos.plan import MOST_REPLICAS, Plan, Version
from tests.chaos.promise import RECORD, WISH
from tests.chaos.site import persistently
from tests.devcluster.standin.namespace import Json, Namespace, is_terminating
from tests.e2e.scene import NAME, USERS

_PLAYED = "devcluster.rollwright.io"
_WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
_NO_ANSWER = (aiohttp.ClientError, OSError, TimeoutError)


class Target:
    """One LeaderWorkerSet in a namespace of its own."""

    def __init__(self, api: ApiClient, namespace: Namespace, plan: Plan) -> None:
        self._core = CoreV1Api(api)
        self._namespace = namespace
        self._plan = plan
        self.wish = plan.replicas
        """How many replicas the user wants by now."""
        self._wishes = 0
        self.injected: set[str] = set()
        """Pods that were deleted, by uid."""

    async def set_up(self) -> None:
        """Make it."""
        await _make(self._namespace.create)
        await _make(lambda: self._namespace.create_set(self._manifest()))

    async def remove(self) -> None:
        """Have it and all about it deleted, in a while."""
        try:
            await persistently(self._namespace.delete)
        except ApiException as error:
            if error.status not in (404, 409):  # an earlier attempt that got no answer
                raise

    async def lws(self) -> Json:
        return await persistently(lambda: self._namespace.set(NAME))

    async def pods(self) -> list[Json]:
        return list((await persistently(self._namespace.pods)).values())

    async def scale(self, by: int) -> str:
        """Ask for more or fewer groups, as a person does."""
        while True:
            lws = await self.lws()
            asked, wish = lws["spec"]["replicas"], _tellable(lws, min(MOST_REPLICAS, max(1, self.wish + by)))
            mark = f"{wish}/{self._wishes + 1}"
            metadata = {"resourceVersion": lws["metadata"]["resourceVersion"], "annotations": {WISH: mark}}
            try:
                await self._namespace.patch_set(NAME, {"metadata": metadata, "spec": {"replicas": wish}})
            except ApiException as error:
                if error.status != 409 and (error.status or 500) < 500:
                    raise
            except _NO_ANSWER:
                pass
            if (await self.lws())["metadata"]["annotations"][WISH] == mark:
                self.wish, self._wishes = wish, self._wishes + 1
                return f"{asked} -> {wish}"

    async def delete_pod(self, pick: float, *, leader: bool) -> str:
        """Delete a pod that isn't leaving yet."""
        pods = sorted(
            (
                pod
                for pod in await self.pods()
                if not is_terminating(pod) and (pod["metadata"]["labels"][_WORKER_INDEX] == "0") is leader
            ),
            key=lambda pod: str(pod["metadata"]["name"]),
        )
        if not pods:
            return "no pod"
        metadata = pods[int(pick * len(pods))]["metadata"]
        self.injected.add(metadata["uid"])
        options = V1DeleteOptions(preconditions=V1Preconditions(uid=metadata["uid"]))
        try:
            await self._core.delete_namespaced_pod(metadata["name"], self._namespace.name, body=options)
        except ApiException as error:
            self.injected.discard(metadata["uid"])
            return f"{metadata['name']}: {error.status}"
        except _NO_ANSWER:
            return f"{metadata['name']}: no answer"
        return f"{metadata['name']} {metadata['uid']}"

    def change(self, version: Version) -> Change:
        """What makes the template that of a version."""
        return Change(patch={"workerTemplate": self._pod_template(version)})

    def _manifest(self) -> Json:
        return {
            "apiVersion": "leaderworkerset.x-k8s.io/v1",
            "kind": "LeaderWorkerSet",
            "metadata": {"name": NAME, "annotations": {WISH: f"{self.wish}/0"}},
            "spec": {
                "replicas": self._plan.replicas,
                "rolloutStrategy": {"rollingUpdateConfiguration": USERS},
                "leaderWorkerTemplate": {
                    "size": self._plan.size,
                    "workerTemplate": self._pod_template(self._plan.versions[0]),
                },
            },
        }

    def _pod_template(self, version: Version) -> Json:
        start_ups = {str(ordinal): f"{ms}ms" for ordinal, ms in enumerate(self._plan.start_up_ms)}
        return {
            "metadata": {
                "annotations": {
                    f"{_PLAYED}/ready-after-by-group": json.dumps(start_ups),
                    f"{_PLAYED}/fail": version.fails or None,
                    f"{_PLAYED}/fail-groups": json.dumps(version.on) if version.on else None,
                }
            },
            "spec": {
                "containers": [{"name": "model", "image": version.image}],
                "terminationGracePeriodSeconds": 1,
            },
        }


def _tellable(lws: Json, least: int) -> int:
    """The lowest number from `least` on that is seen to be a wish.

    What stands is no change at all, and what the rollout has written, with the surge, is taken for its own: also where
    somebody has asked for another number meanwhile that it hasn't come to see.
    """
    record = lws["metadata"]["annotations"].get(RECORD)
    taken = {lws["spec"]["replicas"], json.loads(record)["groups"] if record else None}
    return next(wish for wish in count(least) if wish not in taken)


async def _make(create: Callable[[], Awaitable[object]]) -> None:
    """What is there already is fine: an earlier attempt that got no answer has made it."""
    try:
        await persistently(create)
    except ApiException as error:
        if error.status != 409:
            raise

# The Kubernetes client has annotations in part only.
# mypy: allow-untyped-calls
"""A namespace on a real API server, as the tests of the stand-in see it: plain dictionaries."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from kubernetes.aio.client import ApiClient, CoreV1Api, CustomObjectsApi, V1Namespace, V1ObjectMeta

from rollwright.devcluster.standin import labels

Json = dict[str, Any]
Value = TypeVar("Value")

DEADLINE_SECONDS = 20.0
POLL_SECONDS = 0.03


class Namespace:
    """One namespace."""

    def __init__(self, api: ApiClient, name: str) -> None:
        self._core, self._custom = CoreV1Api(api), CustomObjectsApi(api)
        self.name = name

    async def create(self) -> None:
        await self._core.create_namespace(V1Namespace(metadata=V1ObjectMeta(name=self.name)))

    async def delete(self) -> None:
        """Have the namespace and all in it deleted, in a while."""
        await self._core.delete_namespace(self.name)

    async def create_set(self, manifest: Json) -> Json:
        sets = (labels.GROUP, "v1", self.name, "leaderworkersets")
        return _plain(await self._custom.create_namespaced_custom_object(*sets, manifest))

    async def set(self, name: str) -> Json:
        sets = (labels.GROUP, "v1", self.name, "leaderworkersets")
        return _plain(await self._custom.get_namespaced_custom_object(*sets, name))

    async def patch_set(self, name: str, patch: Json | list[Json], *, subresource: str = "") -> Json:
        """Patch with JSON patch operations, or merge an object."""
        sets = (labels.GROUP, "v1", self.name, "leaderworkersets", f"{name}{subresource}")
        kind = "json-patch" if isinstance(patch, list) else "merge-patch"
        return _plain(
            await self._custom.patch_namespaced_custom_object(*sets, patch, _content_type=f"application/{kind}+json")
        )

    async def delete_set(self, name: str) -> None:
        sets = (labels.GROUP, "v1", self.name, "leaderworkersets")
        await self._custom.delete_namespaced_custom_object(*sets, name)

    async def pods(self) -> dict[str, Json]:
        response = await self._core.list_namespaced_pod_without_preload_content(self.name)
        return _by_name((await response.json())["items"])

    async def services(self) -> dict[str, Json]:
        response = await self._core.list_namespaced_service_without_preload_content(self.name)
        return _by_name((await response.json())["items"])

    async def apps(self, plural: str) -> dict[str, Json]:
        """Return the StatefulSets or ControllerRevisions."""
        return _by_name(
            _plain(await self._custom.list_namespaced_custom_object("apps", "v1", self.name, plural))["items"]
        )

    async def delete_pod(self, name: str) -> None:
        await self._core.delete_namespaced_pod(name, self.name)

    async def make_ready(self, name: str) -> None:
        """Make a pod ready, once it runs."""
        await until(self.pods, lambda pods: _is_running(pods.get(name)))
        conditions = [{"type": condition, "status": "True"} for condition in ("Ready", "ContainersReady")]
        await self._core.patch_namespaced_pod_status(name, self.name, {"status": {"conditions": conditions}})


async def until(
    read: Callable[[], Awaitable[Value]],
    condition: Callable[[Value], object],
    within_seconds: float = DEADLINE_SECONDS,
) -> Value:
    """Read until `condition` holds and return what was read; fail with it after the deadline."""
    deadline = asyncio.get_running_loop().time() + within_seconds
    while True:
        value = await read()
        if condition(value):
            return value
        assert asyncio.get_running_loop().time() < deadline, f"not within {within_seconds} s: {value}"
        await asyncio.sleep(POLL_SECONDS)


def is_terminating(manifest: Json) -> bool:
    return "deletionTimestamp" in manifest["metadata"]


def is_ready(pod: Json) -> bool:
    conditions = {condition["type"]: condition["status"] for condition in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def _is_running(pod: Json | None) -> bool:
    return pod is not None and pod["status"]["phase"] == "Running" and not is_terminating(pod)


def _by_name(manifests: list[Json]) -> dict[str, Json]:
    return {manifest["metadata"]["name"]: manifest for manifest in manifests}


def _plain(answer: object) -> Json:
    assert isinstance(answer, dict)
    return answer

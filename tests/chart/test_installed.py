"""The chart on a real API server: installed, changed and removed by Helm; its pods are played."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from rollwright.devcluster.cluster import DevCluster
from tests.chart.helm import CHART, DATA, Helm, values_of
from tests.devcluster.standin.namespace import Json, until
from tests.support.kinds import until_served

pytestmark = pytest.mark.real

STRICTEST = "pod-security.kubernetes.io/enforce=restricted"
"""Of Kubernetes' Pod Security Standards."""


@dataclass(frozen=True)
class Release:
    """A name of its own, for objects that belong to no namespace, too; and the two namespaces it is for."""

    helm: Helm
    cluster: DevCluster
    name: str
    values: Path

    @property
    def namespace(self) -> str:
        """Where the workers are."""
        return f"{self.name}-worker"

    async def run(self, verb: str, *options: str | Path) -> None:
        """Have Helm do something with it."""
        command = (verb, self.name, *options, f"--namespace={self.namespace}")
        ended = await self.helm.run(*command, "--wait", "--timeout=60s", kubeconfig=self.cluster.kubeconfig)
        assert ended.code == 0, ended.error

    async def get(self, kinds: str) -> list[Json]:
        """What there is of it, in all namespaces."""
        selector = f"--selector=app.kubernetes.io/instance={self.name}"
        found: list[Json] = json.loads(
            await self.cluster.kubectl("get", kinds, "--all-namespaces", selector, "--output=json")
        )["items"]
        return found


@pytest_asyncio.fixture(loop_scope="session")
async def release(helm: Helm, devcluster: DevCluster, tmp_path: Path) -> AsyncIterator[Release]:
    """Its namespaces, of which the workers' takes only pods that meet the strictest standard."""
    name = f"chart-{uuid.uuid4().hex[:8]}"
    release = Release(helm, devcluster, name, tmp_path / "values.yaml")
    values = yaml.safe_load(values_of("everything").read_text(encoding="utf-8"))
    values["targets"], values["follow"] = {"namespaces": [name]}, {"namespaces": [name]}
    release.values.write_text(yaml.safe_dump(values))
    await devcluster.kubectl("create", "namespace", name)
    await devcluster.kubectl("create", "namespace", release.namespace)
    await devcluster.kubectl("label", "namespace", release.namespace, STRICTEST)
    async with monitoring(devcluster):
        yield release
    await devcluster.kubectl("delete", "namespace", name, release.namespace, "--wait=false")


@asynccontextmanager
async def monitoring(cluster: DevCluster) -> AsyncIterator[None]:
    """The kinds of the Prometheus operator."""
    kinds = f"--filename={DATA / 'crds.yaml'}"
    await cluster.kubectl("apply", kinds)
    await until_served(cluster, "servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com")
    yield
    await cluster.kubectl("delete", kinds)


async def test_it_is_installed_changed_and_removed(release: Release) -> None:
    """Of an earlier build, its workers stay: rollouts that began on it are theirs, until they are drained."""
    await release.run("install", CHART, f"--values={release.values}", "--set=versioning.buildId=a")
    pods = await release.get("pods")
    assert len(pods) == 3
    assert all(ready(pod) for pod in pods)
    budgets = partial(release.get, "poddisruptionbudgets")
    await until(budgets, lambda found: found[0]["status"]["disruptionsAllowed"] == 1)  # worked out a moment later

    await release.run("upgrade", CHART, f"--values={release.values}", "--set=replicas=1,versioning.buildId=b")
    assert {
        found["metadata"]["name"]: found["status"].get("readyReplicas") for found in await release.get("deployments")
    } == {
        f"{release.name}-a": 3,
        f"{release.name}-b": 1,
    }

    await release.run("uninstall")
    rest = "services,configmaps,networkpolicies,poddisruptionbudgets,serviceaccounts,servicemonitors,prometheusrules"
    assert await release.get(f"{rest},roles,rolebindings,clusterroles,clusterrolebindings") == []
    assert len(await release.get("deployments")) == 2


def ready(pod: Json) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"]["conditions"])


async def test_the_api_server_knows_every_field_that_is_written(release: Release, tmp_path: Path) -> None:
    """Helm leaves it at a warning if it doesn't."""
    command = ("template", release.name, CHART, f"--namespace={release.namespace}", f"--values={release.values}")
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text((await release.helm.run(*command)).output)
    strictly = ("--dry-run=server", "--server-side", "--validate=strict", f"--filename={rendered}")
    applied = await release.cluster.kubectl("apply", *strictly, "--output=json")
    kinds: set[Any] = {item["kind"] for item in json.loads(applied)["items"]}
    assert {"Deployment", "NetworkPolicy", "PrometheusRule", "ServiceMonitor", "ClusterRole", "Role"} <= kinds

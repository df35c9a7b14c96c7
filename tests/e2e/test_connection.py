"""A worker whose only way to Temporal is by mTLS carries a rollout out."""

import sys
from pathlib import Path

import pytest

from rollwright.devcluster.credentials import Authority, User
from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Phase
from tests.e2e.processes import Process
from tests.e2e.scene import AT_ONCE, Scene, assert_left_alone
from tests.support.tls import tls_front

pytestmark = pytest.mark.real


async def test_a_worker_takes_its_tasks_by_mtls(scene: Scene, tmp_path: Path) -> None:
    authority = Authority("temporal")
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority.certificate)
    authority.issue_client(User("worker")).write(tmp_path, "worker")
    await scene.create(2, ready_after=AT_ONCE)
    async with tls_front(scene.server.address, tmp_path, authority.issue_server("temporal"), clients_of=ca) as address:
        scene.workers.append(
            await Process.start(
                *(sys.executable, "-m", "rollwright.cli.main", "worker", f"--task-queue={scene.namespace.name}"),
                log=tmp_path / "mtls.log",
                KUBECONFIG=str(scene.cluster.kubeconfig),
                TEMPORAL_ADDRESS=address,
                TEMPORAL_TLS_SERVER_CA_CERT_PATH=str(ca),
                TEMPORAL_TLS_CLIENT_CERT_PATH=str(tmp_path / "worker.crt"),
                TEMPORAL_TLS_CLIENT_KEY_PATH=str(tmp_path / "worker.key"),
            )
        )
        scene.cleanup.push_async_callback(scene.workers[0].kill)
        async with scene.rollout(Strategy(max_unavailable=1)) as rollout:
            result = await rollout.result()
        assert result.phase is Phase.COMPLETED
        assert_left_alone(await scene.lws(), replicas=2)
        assert await scene.workers[0].terminate() == 0

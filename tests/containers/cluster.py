"""The embedded Kubernetes with its parts in containers, which share one network namespace, as those of a pod do."""

import os
import time
from base64 import b64decode
from pathlib import Path

import yaml
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from rollwright.devcluster import processes
from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.parts import AUDIT_POLICY, MANIFESTS, Layout, Part, command
from rollwright.devcluster.state import ClusterSettings
from tests.containers.images import EMPTY, IMAGE, PYTHON

ALIAS = "control-plane"
"""Its name in the network of the containers."""


class ContainedCluster(DevCluster):
    """One whose parts are started as containers.

    To this machine they are processes as any: they bear the same mark, by which DevCluster finds them.
    """

    def __init__(self, name: str, network: Network) -> None:
        super().__init__(name)
        self._network = network
        self._containers: list[DockerContainer] = []

    async def begin(self) -> None:
        """Bring it up."""
        async with self._state.locked(print):
            await self._converge(await self._layout(ClusterSettings(), print), print)

    async def end(self) -> None:
        """Remove it: the first container last, whose network the others are in."""
        for container in reversed(self._containers):
            container.stop()
        await self.down()

    def inside(self, kubeconfig: Path) -> Path:
        """A folder with the same kubeconfig, for who is in the network of the containers, and may not write a file.

        The client would write the authority's certificate to a temporary one if it weren't in a file already.
        """
        seen = yaml.safe_load(kubeconfig.read_text())
        cluster = seen["clusters"][0]["cluster"]
        authority = cluster.pop("certificate-authority-data")
        port = cluster["server"].rpartition(":")[2]
        # The certificate of the API server is for loopback.
        cluster |= {
            "server": f"https://{ALIAS}:{port}",
            "tls-server-name": "localhost",
            "certificate-authority": "ca.crt",
        }
        folder = kubeconfig.with_suffix(".inside")
        folder.mkdir(exist_ok=True)
        (folder / "ca.crt").write_bytes(b64decode(authority))
        (folder / "config").write_text(yaml.safe_dump(seen))  # for whoever the worker is; pytest's own folder is closed
        return folder

    def _start(self, part: Part, layout: Layout) -> None:
        container = DockerContainer(IMAGE if part is Part.LWS_STAND_IN else EMPTY)
        container.with_volume_mapping(layout.state.path, str(layout.state.path), "rw")
        for path in (layout.binaries, MANIFESTS, AUDIT_POLICY):
            container.with_volume_mapping(path, str(path), "ro")
        container.with_env(processes.MARK, processes.mark(layout.state.path, part))
        own = {"user": f"{os.getuid()}:{os.getgid()}"}
        if self._containers:
            own["network_mode"] = f"container:{self._containers[0].get_container_id()}"
        else:
            container.with_network(self._network).with_network_aliases(ALIAS)
            container.with_bind_ports(layout.record.ports.api, layout.record.ports.api)
        first, *rest = _called(part, layout)
        container.with_command(rest).with_kwargs(entrypoint=[first], **own)
        self._containers.append(container)
        container.start()
        while not processes.find(self._state.path, part):  # for a moment the process is still Docker's own
            container.reload()
            assert container.status == "running", container.get_logs()
            time.sleep(0.01)


def _called(part: Part, layout: Layout) -> list[str]:
    """How a part is called in its container."""
    called = command(part, layout)
    if part is Part.API_SERVER:
        return [*called, "--bind-address=0.0.0.0"]
    if part is Part.LWS_STAND_IN:
        return [PYTHON, *called[1:]]
    return called

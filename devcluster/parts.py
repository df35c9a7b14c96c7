"""The parts of a cluster and how each is called."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rollwright.devcluster import credentials
from rollwright.devcluster.state import ClusterRecord, StateFolder

MANIFESTS = Path(__file__).parent / "manifests"
KWOK_CONFIG = MANIFESTS / "kwok"
AUDIT_POLICY = Path(__file__).parent / "audit.yaml"

# What the rollouts need, and what a person trying things out would miss. Node lifecycle is not among them: kwok's nodes
# have no kubelet to lose.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "horizontal-pod-autoscaler-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "serviceaccount-controller",
    "statefulset-controller",
)


class Part(StrEnum):
    """A process of the cluster, in the order in which they are started."""

    ETCD = "etcd"
    API_SERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"
    KWOK = "kwok"
    LWS_STAND_IN = "lws-stand-in"


@dataclass(frozen=True)
class Layout:
    """Where the parts find their files and each other."""

    state: StateFolder
    record: ClusterRecord
    binaries: Path

    @property
    def pki(self) -> Path:
        """Keys and certificates that parts read from files."""
        return self.state.path / "pki"

    @property
    def server(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self.record.ports.api}"

    def kubeconfig(self, part: Part) -> str:
        """The kubeconfig of a part that is a client of the API server."""
        return str(self.pki / f"{part}.kubeconfig")


def command(part: Part, layout: Layout) -> list[str]:
    """Return the command line of a part."""
    build = _COMMANDS[part]
    return build(layout)


def write_credentials(layout: Layout) -> None:
    """Make the authorities and all that is signed by them, and the user's kubeconfig."""
    pki, name = layout.pki, layout.state.name
    pki.mkdir()
    store = credentials.Authority(f"{name}-etcd")
    (pki / "etcd-ca.crt").write_bytes(store.certificate)
    store.issue_server("etcd").write(pki, "etcd")
    store.issue_client(credentials.User("kube-apiserver")).write(pki, "etcd-client")

    kubernetes = credentials.Authority(f"{name}-kubernetes")
    (pki / "ca.crt").write_bytes(kubernetes.certificate)
    kubernetes.issue_server("kube-apiserver").write(pki, "kube-apiserver")
    kubernetes.issue_server("kubelet").write(pki, "kubelet")
    kubernetes.issue_token_signer("service-account").write(pki, "service-account")
    clients = {
        layout.state.kubeconfig: credentials.ADMIN,
        Path(layout.kubeconfig(Part.CONTROLLER_MANAGER)): credentials.CONTROLLER_MANAGER,
        Path(layout.kubeconfig(Part.SCHEDULER)): credentials.SCHEDULER,
        Path(layout.kubeconfig(Part.KWOK)): credentials.KWOK,
        Path(layout.kubeconfig(Part.LWS_STAND_IN)): credentials.LWS_STAND_IN,
    }
    for path, user in clients.items():
        credentials.write_kubeconfig(
            path,
            cluster=name,
            server=layout.server,
            authority=kubernetes.certificate,
            client=kubernetes.issue_client(user),
        )


def nodes_manifest(layout: Layout) -> str:
    """Return the nodes as a JSON list; manifests/kwok/node-ready.yaml turns the GPU label into allocatable GPUs."""
    settings = layout.record.settings
    nodes = []
    for number in range(settings.gpu_nodes):
        name = f"gpu-{number:02}"
        labels = {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "nvidia.com/gpu.count": str(settings.gpus_per_node),
        }
        nodes.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes})


def _etcd(layout: Layout) -> list[str]:
    pki, ports = layout.pki, layout.record.ports
    client, peer = f"https://127.0.0.1:{ports.etcd}", f"https://127.0.0.1:{ports.etcd_peer}"
    return [
        str(layout.binaries / "etcd"),
        f"--data-dir={layout.state.path / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={pki / 'etcd-ca.crt'}",
        f"--cert-file={pki / 'etcd.crt'}",
        f"--key-file={pki / 'etcd.key'}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={pki / 'etcd-ca.crt'}",
        f"--peer-cert-file={pki / 'etcd.crt'}",
        f"--peer-key-file={pki / 'etcd.key'}",
        # Survives SIGKILL of etcd, not a power cut; this store is not worth waiting for a disk.
        "--unsafe-no-fsync",
    ]


def _api_server(layout: Layout) -> list[str]:
    pki, ports = layout.pki, layout.record.ports
    return [
        str(layout.binaries / Part.API_SERVER),
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports.api}",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16",
        f"--tls-cert-file={pki / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={pki / 'kube-apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        # The nodes' names are known to no resolver.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        # No service account tokens are mounted into pods that never run, and no node lifecycle controller would take
        # away the not-ready taint that the second one puts on new nodes.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
        f"--etcd-servers=https://127.0.0.1:{ports.etcd}",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'etcd-client.crt'}",
        f"--etcd-keyfile={pki / 'etcd-client.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--service-account-key-file={pki / 'service-account.crt'}",
        f"--audit-policy-file={AUDIT_POLICY}",
        f"--audit-log-path={layout.state.audit}",
        "--max-requests-inflight=2000",
        "--max-mutating-requests-inflight=1000",
        *_feature_gates(layout),
    ]


def _controller_manager(layout: Layout) -> list[str]:
    return [
        str(layout.binaries / Part.CONTROLLER_MANAGER),
        f"--kubeconfig={layout.kubeconfig(Part.CONTROLLER_MANAGER)}",
        f"--controllers={','.join(CONTROLLERS)}",
        # Each controller acts as a service account of its own, which the built-in controller roles are bound to.
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=2000",
        "--kube-api-burst=4000",
        "--concurrent-gc-syncs=40",
        "--concurrent-statefulset-syncs=20",
        # There are no metrics here; an autoscaler still keeps replicas between its minimum and its maximum.
        "--horizontal-pod-autoscaler-sync-period=1s",
        *_feature_gates(layout),
    ]


def _scheduler(layout: Layout) -> list[str]:
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": layout.kubeconfig(Part.SCHEDULER), "qps": 2000, "burst": 4000},
        "leaderElection": {"leaderElect": False},
    }
    path = layout.state.path / "scheduler.json"
    path.write_text(json.dumps(config))
    return [str(layout.binaries / Part.SCHEDULER), f"--config={path}", "--secure-port=0"]


def _kwok(layout: Layout) -> list[str]:
    pki, port = layout.pki, layout.record.ports.kubelet
    return [
        str(layout.binaries / Part.KWOK),
        f"--kubeconfig={layout.kubeconfig(Part.KWOK)}",
        "--manage-all-nodes",
        "--node-lease-duration-seconds=0",
        "--node-ip=127.0.0.1",
        f"--node-port={port}",
        f"--server-address=127.0.0.1:{port}",
        f"--tls-cert-file={pki / 'kubelet.crt'}",
        f"--tls-private-key-file={pki / 'kubelet.key'}",
        # What else a kubelet serves can't be asked for: no rules for it are given.
        "--enable-crds=ClusterLogs",
        *(f"--config={path}" for path in sorted(KWOK_CONFIG.glob("*.yaml"))),
    ]


def _lws_stand_in(layout: Layout) -> list[str]:
    module = "rollwright.devcluster.standin"
    return [sys.executable, "-m", module, "--kubeconfig", layout.kubeconfig(Part.LWS_STAND_IN)]


def _feature_gates(layout: Layout) -> list[str]:
    gates = layout.record.settings.feature_gates
    if not gates:
        return []
    return ["--feature-gates=" + ",".join(f"{name}={str(on).lower()}" for name, on in sorted(gates.items()))]


_COMMANDS: Mapping[Part, Callable[[Layout], list[str]]] = {
    Part.ETCD: _etcd,
    Part.API_SERVER: _api_server,
    Part.CONTROLLER_MANAGER: _controller_manager,
    Part.SCHEDULER: _scheduler,
    Part.KWOK: _kwok,
    Part.LWS_STAND_IN: _lws_stand_in,
}

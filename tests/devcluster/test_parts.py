"""How the parts are called, and the files they get."""

import base64
import json
import re
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from rollwright.devcluster.parts import Layout, Part, command, nodes_manifest, write_credentials
from rollwright.devcluster.state import ClusterRecord, ClusterSettings, Ports, StateFolder


def make_layout(settings: ClusterSettings) -> Layout:
    state = StateFolder("a")
    state.create()
    record = ClusterRecord(settings=settings, ports=Ports(api=20001, etcd=20002, etcd_peer=20003, kubelet=20004))
    layout = Layout(state=state, record=record, binaries=Path("/binaries"))
    write_credentials(layout)
    return layout


@pytest.fixture
def layout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Layout:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    gates = {"MaxUnavailableStatefulSet": True, "AnyOther": False}
    return make_layout(ClusterSettings(gpu_nodes=2, gpus_per_node=4, feature_gates=gates))


@pytest.mark.parametrize("part", list(Part))
def test_no_part_speaks_in_the_clear_or_beyond_loopback(part: Part, layout: Layout) -> None:
    line = " ".join(command(part, layout))

    assert "http://" not in line
    assert "insecure" not in line
    assert {"127.0.0.1"} >= set(re.findall(r"\d+\.\d+\.\d+\.\d+(?!/)", line)) - {"10.96.0.0"}


@pytest.mark.parametrize("part", list(Part))
def test_the_api_server_and_the_controller_manager_get_the_feature_gates(part: Part, layout: Layout) -> None:
    gates = "--feature-gates=AnyOther=false,MaxUnavailableStatefulSet=true"

    assert (part in (Part.API_SERVER, Part.CONTROLLER_MANAGER)) == (gates in command(part, layout))


def test_each_client_has_a_certificate_of_its_own_user(layout: Layout) -> None:
    clients = [part for part in Part if part not in (Part.ETCD, Part.API_SERVER)]

    users = [common_name(Path(layout.kubeconfig(part))) for part in clients]

    expected = [
        "system:kube-controller-manager",
        "system:kube-scheduler",
        "devcluster:kwok",
        "devcluster:lws-stand-in",
    ]
    assert expected == users


def common_name(kubeconfig: Path) -> str:
    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_etcd_trusts_none_of_the_clients_of_the_api_server(layout: Layout) -> None:
    etcd = x509.load_pem_x509_certificate((layout.pki / "etcd-ca.crt").read_bytes())
    server = x509.load_pem_x509_certificate((layout.pki / "kube-apiserver.crt").read_bytes())

    assert etcd.subject != server.issuer


def test_keys_and_kubeconfigs_are_readable_by_their_owner_only(layout: Layout) -> None:
    secrets = [*layout.pki.glob("*.key"), *layout.pki.glob("*.kubeconfig"), layout.state.kubeconfig]

    assert len(secrets) >= 9
    assert {0o600} == {path.stat().st_mode & 0o777 for path in secrets}


def test_the_nodes_say_how_many_gpus_they_have(layout: Layout) -> None:
    nodes = json.loads(nodes_manifest(layout))["items"]

    assert [node["metadata"]["labels"]["kubernetes.io/hostname"] for node in nodes] == ["gpu-00", "gpu-01"]
    assert {"4"} == {node["metadata"]["labels"]["nvidia.com/gpu.count"] for node in nodes}

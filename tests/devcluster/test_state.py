"""Names, ports, records and the lock of a cluster's folder."""

import asyncio
from pathlib import Path

import pytest

from rollwright.devcluster import DevClusterError
from rollwright.devcluster.state import ClusterRecord, ClusterSettings, StateFolder, choose_ports, locked


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["", "Upper", "../etc", "-a", "a-", "a" * 41, "a.b", "a\n"])
def test_a_name_that_could_escape_the_folder_is_refused(name: str) -> None:
    with pytest.raises(DevClusterError, match="lower-case letters, digits and dashes"):
        StateFolder(name)


def test_ports_are_free_different_and_out_of_reach_of_outgoing_connections() -> None:
    ports = choose_ports()
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert len({ports.api, ports.etcd, ports.etcd_peer}) == 3
    assert all(port < first_outgoing for port in (ports.api, ports.etcd, ports.etcd_peer))


def test_a_record_reads_back_as_it_was_written() -> None:
    folder = StateFolder("a")
    record = ClusterRecord(settings=ClusterSettings(gpu_nodes=3, feature_gates={"A": True}), ports=choose_ports())
    folder.create()

    folder.write(record)

    assert record == StateFolder("a").read()


def test_a_folder_without_a_record_is_no_cluster() -> None:
    folder = StateFolder("a")
    folder.create()

    assert folder.read() is None


def test_only_the_owner_can_look_into_the_folder() -> None:
    folder = StateFolder("a")
    folder.create()

    assert folder.path.stat().st_mode & 0o777 == 0o700


async def test_the_lock_keeps_a_second_holder_waiting_until_the_first_is_done(tmp_path: Path) -> None:
    events: list[str] = []
    waiting = asyncio.Event()

    async def second() -> None:
        async with locked(tmp_path / "lock", waiting.set):
            events.append("second")

    async with locked(tmp_path / "lock", lambda: None):
        task = asyncio.create_task(second())
        await asyncio.wait_for(waiting.wait(), 5)
        events.append("first")
    await asyncio.wait_for(task, 5)

    assert events == ["first", "second"]

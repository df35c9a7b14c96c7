"""Names, ports, records and the lock of a cluster's folder."""

import asyncio
from pathlib import Path

import pytest

from rollwright.devcluster import DevClusterError, state
from rollwright.devcluster.state import ClusterRecord, ClusterSettings, StateFolder, choose_ports, locked


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["", "Upper", "../etc", "-a", "a-", "a" * 41, "a.b", "a\n"])
def test_a_name_that_could_escape_the_folder_is_refused(name: str) -> None:
    with pytest.raises(DevClusterError, match="lower-case letters, digits and dashes"):
        StateFolder(name)


def test_ports_are_free_different_and_out_of_reach_of_outgoing_connections() -> None:
    ports = choose_ports().model_dump().values()
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert len(set(ports)) == len(ports)
    assert all(port < first_outgoing for port in ports)


def test_a_record_reads_back_as_it_was_written() -> None:
    folder = StateFolder("a")
    record = ClusterRecord(settings=ClusterSettings(gpu_nodes=3, feature_gates={"A": True}), ports=choose_ports())
    folder.create()

    folder.write(record)

    assert record == StateFolder("a").read()


def test_a_record_of_another_version_is_told_with_what_to_do() -> None:
    folder = StateFolder("a")
    folder.create()
    (folder.path / "cluster.json").write_text('{"settings": {}, "ports": {"api": 20001}}')

    with pytest.raises(DevClusterError, match=r"another version.*rollwright dev down --name a"):
        folder.read()


def test_a_folder_without_a_record_is_no_cluster() -> None:
    folder = StateFolder("a")
    folder.create()

    assert folder.read() is None


def test_only_the_owner_can_look_into_the_folder() -> None:
    folder = StateFolder("a")
    folder.create()

    assert folder.path.stat().st_mode & 0o777 == 0o700


class Holder:
    """Somebody who takes a lock, and holds it until told to leave."""

    def __init__(self, path: Path) -> None:
        self.waits, self.holds, self.leave = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.done = asyncio.create_task(self._hold(path))

    async def _hold(self, path: Path) -> None:
        async with locked(path, self.waits.set):
            self.holds.set()
            await self.leave.wait()


async def test_the_lock_keeps_a_second_holder_waiting_until_the_first_leaves(tmp_path: Path) -> None:
    async with asyncio.timeout(5):
        first = Holder(tmp_path / "lock")
        await first.holds.wait()
        second = Holder(tmp_path / "lock")
        await second.waits.wait()
        assert not second.holds.is_set()

        first.leave.set()

        await second.holds.wait()
        second.leave.set()
        await second.done


def test_a_lock_on_a_file_that_was_removed_meanwhile_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    monkeypatch.setattr("fcntl.flock", lambda *_: path.unlink())

    assert state._try_lock(path) is None

"""`rollwright worker`: how far its gates may reach, and what it refuses before it takes anything in hand."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollwright.activities.connections import PLAIN_REACH, Reach
from rollwright.cli import worker
from rollwright.cli.main import app
from rollwright.worker.endpoints import Address
from rollwright.worker.observing import NO_ENDPOINTS, Endpoints
from rollwright.worker.permissions import ALL_NAMESPACES
from rollwright.worker.policies import Place
from rollwright.worker.settings import Settings
from rollwright.worker.versions import Versioned

runner = CliRunner()
SECRET = "s3cr3tT0ken"


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A worker takes the log of its process over, which other tests go on with."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What workers that are started are told."""
    told: list[Settings] = []

    async def run_worker(settings: Settings) -> None:
        told.append(settings)

    monkeypatch.setattr(worker, "run_worker", run_worker)
    return told


def test_without_a_word_there_are_no_connections_and_nothing_local(told: list[Settings]) -> None:
    assert runner.invoke(app, ["worker"]).exit_code == 0
    assert told == [Settings()]
    assert told[0].reach == PLAIN_REACH == Reach(connections=None, local=False)


def test_connections_are_given_by_flag_or_environment(told: list[Settings], tmp_path: Path) -> None:
    by_flag = runner.invoke(app, ["worker", "--connections", str(tmp_path), "--allow-local"])
    by_environment = runner.invoke(app, ["worker"], env={"ROLLWRIGHT_CONNECTIONS": str(tmp_path)})
    assert (by_flag.exit_code, by_environment.exit_code) == (0, 0)
    reaches = [settings.reach for settings in told]
    assert reaches == [Reach(connections=tmp_path, local=True), Reach(connections=tmp_path)]


def test_local_addresses_are_allowed_by_the_environment_too(told: list[Settings]) -> None:
    assert runner.invoke(app, ["worker"], env={"ROLLWRIGHT_ALLOW_LOCAL": "1"}).exit_code == 0
    assert told == [Settings(reach=Reach(local=True))]


def test_a_folder_that_is_missing_is_told_at_once(told: list[Settings], tmp_path: Path) -> None:
    assert runner.invoke(app, ["worker", "--connections", str(tmp_path / "none")]).exit_code == 2
    assert told == []


@pytest.mark.parametrize("by_environment", [False, True])
def test_a_notify_file_that_can_not_be_used_is_refused_at_once_without_what_is_in_it(
    tmp_path: Path, *, by_environment: bool
) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text(f"notify:\n  - url: slack://{SECRET}\n")
    given = [] if by_environment else ["--notify", str(path)]
    env = {"TEMPORAL_ADDRESS": "127.0.0.1:1", **({"ROLLWRIGHT_NOTIFY": str(path)} if by_environment else {})}
    shown = CliRunner().invoke(app, ["worker", *given], env=env)
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert shown.stderr.splitlines() == [
        f"error: {path}: notify 1: url: apprise knows no such service, or something of the address is missing",
        "docs/notifications.md shows what may be written.",
    ]


def test_a_notify_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["worker", "--notify", str(tmp_path / "none.yaml")])
    assert shown.exit_code == 2
    assert f"error: {tmp_path}/none.yaml can't be read: No such file or directory" in shown.stderr


@pytest.mark.parametrize(
    ("given", "namespaces", "place"),
    [
        ([], (), Place("rollwright-policies")),
        (["--follow"], ("default",), Place("rollwright-policies")),
        (["--follow", "--follow-namespace=a", "--follow-namespace=b"], ("a", "b"), Place("rollwright-policies")),
        (["--follow", "--policies=mine"], ("default",), Place("mine")),
        (["--follow", "--policies=central/mine"], ("default",), Place("mine", "central")),
    ],
)
def test_what_is_followed(told: list[Settings], given: list[str], namespaces: tuple[str, ...], place: Place) -> None:
    assert runner.invoke(app, ["worker", *given]).exit_code == 0
    assert told == [Settings(follow=namespaces, policies=place)]


@pytest.mark.parametrize(
    "given",
    [
        ["--follow-namespace=a"],
        ["--policies=mine"],
        ["--follow", "--follow-namespace="],
        ["--follow", "--follow-namespace=a/b"],
        ["--follow", "--policies=/mine"],
        ["--follow", "--policies=a/b/c"],
    ],
)
def test_what_can_not_be_followed_is_refused(told: list[Settings], given: list[str]) -> None:
    assert runner.invoke(app, ["worker", *given]).exit_code == 2
    assert told == []


def test_without_a_word_a_worker_is_of_no_build(told: list[Settings]) -> None:
    assert runner.invoke(app, ["worker"]).exit_code == 0
    assert told[0].versioned is None


def test_a_build_is_given_by_flags_or_by_the_environment(told: list[Settings]) -> None:
    by_flags = runner.invoke(app, ["worker", "--deployment=gpu", "--build-id=v2.1", "--become-current"])
    by_environment = runner.invoke(app, ["worker"], env={"ROLLWRIGHT_DEPLOYMENT": "gpu", "ROLLWRIGHT_BUILD_ID": "v3"})
    assert (by_flags.exit_code, by_environment.exit_code) == (0, 0)
    builds = [settings.versioned for settings in told]
    assert builds == [Versioned("gpu", "v2.1", becomes_current=True), Versioned("gpu", "v3")]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--deployment=gpu"], "go together"),
        (["--build-id=v2"], "go together"),
        (["--become-current"], "go together"),
        (["--deployment=a.b", "--build-id=v2"], "--deployment: 'a.b' names none"),
    ],
)
def test_half_a_build_is_refused(told: list[Settings], given: list[str], why: str) -> None:
    shown = runner.invoke(app, ["worker", *given])
    assert shown.exit_code == 2
    assert why in shown.stderr
    assert told == []


def test_a_worker_listens_nowhere_unless_it_is_told_to(told: list[Settings]) -> None:
    assert runner.invoke(app, ["worker"]).exit_code == 0
    assert told[0].endpoints == NO_ENDPOINTS == Endpoints(metrics=None, health=None)


def test_where_it_is_observed_is_given_by_flag_or_environment(told: list[Settings]) -> None:
    by_flag = runner.invoke(app, ["worker", "--metrics=0.0.0.0:9090", "--health=[::1]:8080"])
    environment = {"ROLLWRIGHT_METRICS": "0.0.0.0:9090", "ROLLWRIGHT_HEALTH": "[::1]:8080"}
    by_environment = runner.invoke(app, ["worker"], env=environment)
    assert (by_flag.exit_code, by_environment.exit_code) == (0, 0)
    where = Endpoints(metrics=Address("0.0.0.0", 9090), health=Address("::1", 8080))
    assert told == [Settings(endpoints=where)] * 2


@pytest.mark.parametrize("option", ["--metrics", "--health"])
def test_an_address_that_is_none_is_refused_at_once(told: list[Settings], option: str) -> None:
    shown = runner.invoke(app, ["worker", f"{option}=9090"])
    assert (shown.exit_code, told) == (2, [])
    assert shown.stderr.splitlines() == [
        f"error: {option}: '9090' is no HOST:PORT",
        "Write it as in 127.0.0.1:9090, or [::1]:9090.",
    ]


def test_the_log_looks_as_it_is_told_to(told: list[Settings]) -> None:
    assert runner.invoke(app, ["worker", "--log=text"]).exit_code == 0
    assert runner.invoke(app, ["worker", "--log=xml"]).exit_code == 2
    assert len(told) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ()),
        (["-n", "inference", "--namespace=batch", "-n", "inference"], ("inference", "batch")),
        (["--all-namespaces"], (ALL_NAMESPACES,)),
    ],
)
def test_where_its_targets_are(told: list[Settings], given: list[str], expected: tuple[str, ...]) -> None:
    assert runner.invoke(app, ["worker", *given]).exit_code == 0
    assert told == [Settings(targets=expected)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["-A", "-n", "inference"], "give --namespace or --all-namespaces, not both"),
        (["-n", "Inference"], "'Inference' is no name of a namespace"),
        (["--cluster", "East"], "--cluster: 'East' is no name of a cluster"),
    ],
)
def test_where_no_targets_can_be_is_refused(told: list[Settings], given: list[str], says: str) -> None:
    refused = runner.invoke(app, ["worker", *given])
    assert refused.exit_code == 2
    assert says in refused.stderr
    assert told == []


def test_the_name_of_its_cluster_is_given_by_flag_or_environment(told: list[Settings]) -> None:
    assert runner.invoke(app, ["worker", "--cluster=east"]).exit_code == 0
    assert runner.invoke(app, ["worker"], env={"ROLLWRIGHT_CLUSTER": "east"}).exit_code == 0
    assert told == [Settings(cluster="east")] * 2

"""`rollwright worker`: how far its gates may reach, and what it refuses before it takes anything in hand."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollwright.activities.connections import PLAIN_REACH, Reach
from rollwright.cli import worker
from rollwright.cli.main import app
from rollwright.worker.policies import Place
from rollwright.worker.settings import Settings
from rollwright.worker.versions import Versioned

runner = CliRunner()
SECRET = "s3cr3tT0ken"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Reach]:
    """What workers that are started are told."""
    told: list[Reach] = []

    async def run_worker(settings: Settings) -> None:
        told.append(settings.reach)

    monkeypatch.setattr(worker, "run_worker", run_worker)
    return told


def test_without_a_word_there_are_no_connections_and_nothing_local(told: list[Reach]) -> None:
    assert runner.invoke(app, ["worker"]).exit_code == 0
    assert told == [PLAIN_REACH] == [Reach(connections=None, local=False)]


def test_connections_are_given_by_flag_or_environment(told: list[Reach], tmp_path: Path) -> None:
    by_flag = runner.invoke(app, ["worker", "--connections", str(tmp_path), "--allow-local"])
    by_environment = runner.invoke(app, ["worker"], env={"ROLLWRIGHT_CONNECTIONS": str(tmp_path)})
    assert (by_flag.exit_code, by_environment.exit_code) == (0, 0)
    assert told == [Reach(connections=tmp_path, local=True), Reach(connections=tmp_path)]


def test_local_addresses_are_allowed_by_the_environment_too(told: list[Reach]) -> None:
    assert runner.invoke(app, ["worker"], env={"ROLLWRIGHT_ALLOW_LOCAL": "1"}).exit_code == 0
    assert told == [Reach(local=True)]


def test_a_folder_that_is_missing_is_told_at_once(told: list[Reach], tmp_path: Path) -> None:
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


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], Place]]:
    """What workers that are started are to follow, and by which policies."""
    followed: list[tuple[tuple[str, ...], Place]] = []

    async def run_worker(settings: Settings) -> None:
        followed.append((tuple(settings.follow), settings.policies))

    monkeypatch.setattr(worker, "run_worker", run_worker)
    return followed


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
def test_what_is_followed(
    followed: list[tuple[tuple[str, ...], Place]], given: list[str], namespaces: tuple[str, ...], place: Place
) -> None:
    assert runner.invoke(app, ["worker", *given]).exit_code == 0
    assert followed == [(namespaces, place)]


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
def test_what_can_not_be_followed_is_refused(followed: list[tuple[tuple[str, ...], Place]], given: list[str]) -> None:
    assert runner.invoke(app, ["worker", *given]).exit_code == 2
    assert followed == []


@pytest.fixture
def versioned(monkeypatch: pytest.MonkeyPatch) -> list[Versioned | None]:
    """Which build workers that are started are told to be."""
    told: list[Versioned | None] = []

    async def run_worker(settings: Settings) -> None:
        told.append(settings.versioned)

    monkeypatch.setattr(worker, "run_worker", run_worker)
    return told


def test_without_a_word_a_worker_is_of_no_build(versioned: list[Versioned | None]) -> None:
    assert runner.invoke(app, ["worker"]).exit_code == 0
    assert versioned == [None]


def test_a_build_is_given_by_flags_or_by_the_environment(versioned: list[Versioned | None]) -> None:
    by_flags = runner.invoke(app, ["worker", "--deployment=gpu", "--build-id=v2.1", "--become-current"])
    by_environment = runner.invoke(app, ["worker"], env={"ROLLWRIGHT_DEPLOYMENT": "gpu", "ROLLWRIGHT_BUILD_ID": "v3"})
    assert (by_flags.exit_code, by_environment.exit_code) == (0, 0)
    assert versioned == [Versioned("gpu", "v2.1", becomes_current=True), Versioned("gpu", "v3")]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--deployment=gpu"], "go together"),
        (["--build-id=v2"], "go together"),
        (["--become-current"], "go together"),
        (["--deployment=a.b", "--build-id=v2"], "--deployment: 'a.b' names none"),
    ],
)
def test_half_a_build_is_refused(versioned: list[Versioned | None], given: list[str], why: str) -> None:
    shown = runner.invoke(app, ["worker", *given])
    assert shown.exit_code == 2
    assert why in shown.stderr
    assert versioned == []

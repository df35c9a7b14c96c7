"""Connections to a Temporal that speaks TLS: those that are right, and what is said of each that isn't."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from rollwright.devcluster import credentials
from rollwright.devcluster.credentials import Authority, User
from tests.cli.conftest import Run, Start
from tests.support.tls import tls_front

pytestmark = pytest.mark.real

API_KEY = "a-key-that-nobody-may-see"
CLIENT, EXPIRED, STRANGER = "client", "expired", "stranger"


class Site:
    """Two authorities, certificates of clients, and fronts: one that asks for a certificate, and some that don't."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.authority, stranger = Authority("ours"), Authority("another")
        self.ca, self.other_ca = folder / "ca.crt", folder / "other.crt"
        self.ca.write_bytes(self.authority.certificate)
        self.other_ca.write_bytes(stranger.certificate)
        self.authority.issue_client(User("ada")).write(folder, CLIENT)
        stranger.issue_client(User("ada")).write(folder, STRANGER)
        server = self.authority.issue_server("temporal")
        with monkeypatch.context() as patched:
            patched.setattr(credentials, "VALID_FOR", timedelta(minutes=-1))
            self.authority.issue_client(User("ada")).write(folder, EXPIRED)
            expired = self.authority.issue_server("temporal")
        self.pairs = {"mutual": server, "tls": server, "expired": expired}
        self.fronts: dict[str, str] = {}

    def trusting(self, ca: Path | None = None) -> dict[str, str]:
        return {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(ca or self.ca)}

    def client(self, name: str) -> dict[str, str]:
        return {
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(self.folder / f"{name}.crt"),
            "TEMPORAL_TLS_CLIENT_KEY_PATH": str(self.folder / f"{name}.key"),
        }


@pytest_asyncio.fixture(loop_scope="session")
async def site(server: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """The server on which rollouts are played, by its fronts."""
    site = Site(tmp_path, monkeypatch)
    behind = server.service_client.config.target_host
    async with AsyncExitStack() as stack:
        for name, pair in site.pairs.items():
            folder = tmp_path / name
            folder.mkdir()
            front = tls_front(behind, folder, pair, clients_of=site.ca if name == "mutual" else None)
            site.fronts[name] = await stack.enter_async_context(front)
        site.fronts["plain"] = behind
        yield site


async def test_the_right_certificates_are_all_it_takes(run: Run, site: Site) -> None:
    listed = await run("list", address=site.fronts["mutual"], **site.trusting(), **site.client(CLIENT))
    assert listed.code == 0, listed.stderr


async def test_certificates_may_stand_in_a_profile(run: Run, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "temporal.toml"
    given = site.client(CLIENT)
    file.write_text(f"""
[profile.production.tls]
server_ca_cert_path = "{site.ca}"
client_cert_path = "{given["TEMPORAL_TLS_CLIENT_CERT_PATH"]}"
client_key_path = "{given["TEMPORAL_TLS_CLIENT_KEY_PATH"]}"
""")
    listed = await run(
        "list", address=site.fronts["mutual"], TEMPORAL_CONFIG_FILE=str(file), TEMPORAL_PROFILE="production"
    )
    assert listed.code == 0, listed.stderr


async def test_an_api_key_is_sent_over_tls_unless_that_is_turned_off(run: Run, site: Site) -> None:
    key = {"TEMPORAL_API_KEY": API_KEY}
    assert (await run("list", address=site.fronts["tls"], **site.trusting(), **key)).code == 0
    assert (await run("list", address=site.fronts["plain"], TEMPORAL_TLS="false", **key)).code == 0
    refused = await run("list", address=site.fronts["plain"], **key)
    assert refused.code == 1
    assert "can't be reached: it does not speak TLS" in refused.stderr
    assert "TEMPORAL_TLS=false turns it off" in refused.stderr
    assert API_KEY not in refused.stderr


def refusals(site: Site) -> Mapping[str, tuple[str, dict[str, str], str, str]]:
    """By a name: the front, the settings, and what is said, first of what happened, then of what to do."""
    ca, address = site.trusting(), "Set TEMPORAL_ADDRESS"
    return {
        "another authority": (
            "tls",
            site.trusting(site.other_ca),
            "nothing here says that the authority of its certificate is to be trusted",
            "Set TEMPORAL_TLS_SERVER_CA_CERT_PATH",
        ),
        "the server's has expired": (
            "expired",
            ca,
            "its certificate is not valid now",
            "Have the server's certificate",
        ),
        "another name": (
            "tls",
            {**ca, "TEMPORAL_TLS_SERVER_NAME": "temporal.example"},
            "its certificate is for another name",
            address,
        ),
        "no certificate": (
            "mutual",
            ca,
            "it ends the connection, as a server does that asks for a client's certificate",
            "Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH.",
        ),
        "an expired one": (
            "mutual",
            {**ca, **site.client(EXPIRED)},
            "the client's certificate has expired on",
            "Renew the file of TEMPORAL_TLS_CLIENT_CERT_PATH.",
        ),
        "one of another authority": (
            "mutual",
            {**ca, **site.client(STRANGER)},
            "as a server does that refuses the client's certificate",
            "Set TEMPORAL_TLS_CLIENT_CERT_PATH to one of an authority that the server trusts",
        ),
        "no TLS where it is needed": ("tls", {}, "as a server does that speaks TLS only", "Set TEMPORAL_TLS=true"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "another authority",
        "the server's has expired",
        "another name",
        "no certificate",
        "an expired one",
        "one of another authority",
        "no TLS where it is needed",
    ],
)
async def test_what_is_wrong_with_a_connection_is_said_with_what_to_set(run: Run, site: Site, name: str) -> None:
    front, settings, what, todo = refusals(site)[name]
    refused = await run("list", address=site.fronts[front], **settings)
    assert refused.code == 1
    assert refused.stderr.startswith(f"error: Temporal at {site.fronts[front]} can't be reached: ")
    assert what in refused.stderr
    assert todo in refused.stderr
    assert "PRIVATE KEY" not in refused.stderr


async def test_a_worker_says_the_same(start: Start, site: Site) -> None:
    front, settings, what, todo = refusals(site)["an expired one"]
    refused = await (await start("worker", address=site.fronts[front], **settings)).end()
    assert refused.code == 1
    assert what in refused.stderr
    assert todo in refused.stderr


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/no/such/ca.crt"}, "/no/such/ca.crt can't be read: No such file"),
        ({"TEMPORAL_PROFILE": "nowhere"}, "Profile 'nowhere' not found"),
        ({"TEMPORAL_TLS_CLIENT_CERT_DATA": "x"}, "Must have both client cert and private key or neither"),
    ],
)
async def test_settings_that_can_not_be_used_are_named(run: Run, settings: dict[str, str], why: str) -> None:
    refused = await run("list", **settings)
    assert refused.code == 2
    assert f"error: the settings of the connection to Temporal can't be used: {why}" in refused.stderr


async def test_a_worker_names_them_too(start: Start) -> None:
    refused = await (await start("worker", TEMPORAL_PROFILE="nowhere")).end()
    assert refused.code == 2
    assert (
        "error: the settings of the connection to Temporal can't be used: Profile 'nowhere' not found" in refused.stderr
    )

"""Setting a namespace up on a real Temporal server: once, again, by halves, and by somebody who may not."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import OperatorService, RPCError, RPCStatusCode, WorkflowService

from rollwright.cli import setting_up
from rollwright.workflows.contract import ATTRIBUTES, NEEDED_ATTRIBUTES
from tests.cli.conftest import Ran, Run, StartServer
from tests.devcluster.standin.namespace import until

pytestmark = pytest.mark.real

NAMES = [attribute.name for attribute in ATTRIBUTES]
KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD


class Bare:
    """A server without any search attributes, on which a test has a namespace of its own."""

    def __init__(self, client: Client, run: Run) -> None:
        self.client = client
        self._run = run
        self.namespace = ""

    async def make(self, namespace: str, *, days: int = 30) -> None:
        self.namespace = namespace
        retention = Duration()
        retention.FromTimedelta(timedelta(days=days))
        await self.client.workflow_service.register_namespace(
            RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
        )
        await until(self.registered, lambda found: found is not None)

    async def registered(self) -> dict[str, int] | None:
        """Its search attributes; None while the server has not heard of it everywhere."""
        try:
            request = ListSearchAttributesRequest(namespace=self.namespace)
            return dict((await self.client.operator_service.list_search_attributes(request)).custom_attributes)
        except RPCError:
            return None

    async def register(self, *names: str, kind: IndexedValueType.ValueType = KEYWORD) -> None:
        request = AddSearchAttributesRequest(namespace=self.namespace, search_attributes=dict.fromkeys(names, kind))
        await self.client.operator_service.add_search_attributes(request)

    async def setup(self, *options: str) -> Ran:
        address = self.client.service_client.config.target_host
        return await self._run("setup", *options, address=address, TEMPORAL_NAMESPACE=self.namespace)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bare_server(start_server: StartServer) -> AsyncIterator[Client]:
    environment = await start_server(attributes=())
    yield environment.client
    await environment.shutdown()


@pytest.fixture
def bare(bare_server: Client, run: Run) -> Bare:
    return Bare(bare_server, run)


def refuse(monkeypatch: pytest.MonkeyPatch, service: type[Any], *calls: str) -> None:
    """Have a server answer as one does whose authorizer refuses these calls."""

    async def refused(*_: Any, **__: Any) -> None:
        raise RPCError("Request unauthorized.", RPCStatusCode.PERMISSION_DENIED, b"")

    made = service.__init__

    def prepared(self: Any, *given: Any) -> None:
        made(self, *given)
        for call in calls:
            setattr(self, call, refused)

    monkeypatch.setattr(service, "__init__", prepared)


def checks(ran: Ran) -> dict[str, dict[str, str]]:
    return {check["about"]: check for check in json.loads(ran.stdout)["checks"]}


async def test_it_registers_what_is_missing_and_a_second_time_changes_nothing(bare: Bare) -> None:
    await bare.make("fresh")
    first = await bare.setup("-o", "json")
    assert (first.code, first.stderr) == (0, "")
    assert json.loads(first.stdout)["created"] == NAMES
    assert await bare.registered() == dict.fromkeys(NAMES, KEYWORD)

    second = await bare.setup("-o", "json")
    assert second.code == 0
    assert json.loads(second.stdout)["created"] == []
    assert {check["verdict"] for check in checks(second).values()} == {"ok"}
    assert "namespace fresh at " in (shown := await bare.setup()).stdout
    assert "nothing was changed" in shown.stdout


async def test_it_adds_what_an_older_version_has_not_registered(bare: Bare) -> None:
    await bare.make("older")
    await bare.register(*(attribute.name for attribute in NEEDED_ATTRIBUTES))
    looked = await bare.setup("--dry-run", "-o", "json")
    assert looked.code == 0  # rollouts go by without the others
    assert checks(looked)["search attributes"]["verdict"] == "warning"
    assert json.loads((await bare.setup("-o", "json")).stdout)["created"] == NAMES[3:]


async def test_a_dry_run_changes_nothing_and_fails_where_something_is_missing(bare: Bare) -> None:
    await bare.make("looked-at")
    looked = await bare.setup("--dry-run")
    assert looked.code == 1
    assert "nothing was changed" in looked.stdout
    assert "not registered: RolloutTarget" in looked.stdout
    assert await bare.registered() == {}


async def test_somebody_who_may_not_is_told_what_an_admin_has_to_run(
    bare: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bare.make("guarded")
    refuse(monkeypatch, OperatorService, "add_search_attributes")
    refuse(monkeypatch, WorkflowService, "start_workflow_execution", "poll_workflow_task_queue")
    made = await bare.setup("-o", "json")
    assert made.code == 1
    found = checks(made)
    assert found["search attributes"]["what"].endswith("RolloutInitiator: Request unauthorized.")
    command = "temporal operator search-attribute create --namespace guarded "
    given = " ".join(f"--name {name} --type Keyword" for name in NAMES)
    assert found["search attributes"]["todo"] == f"Somebody with the admin role runs: {command}{given}"
    assert {about: check["verdict"] for about, check in found.items() if about.startswith("may")} == {
        "may view": "ok",
        "may steer": "ok",
        "may start": "warning",
        "may work": "warning",
    }


def test_on_temporal_cloud_it_is_another_command_line() -> None:
    place = setting_up._Place("rollouts.a1b2c.tmprl.cloud:7233", "rollouts.a1b2c")
    add, keep = place.registering(["RolloutTarget", "RolloutPhase"]), place.keeping()
    assert add == (
        "tcld namespace search-attributes add --namespace rollouts.a1b2c "
        "--search-attribute RolloutTarget=Keyword --search-attribute RolloutPhase=Keyword"
    )
    assert keep == "tcld namespace retention set --namespace rollouts.a1b2c --retention-days 7"


async def test_somebody_who_may_see_nothing_is_told_so(bare: Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    await bare.make("closed")
    refuse(monkeypatch, OperatorService, "list_search_attributes")
    refuse(monkeypatch, WorkflowService, "describe_namespace", "count_workflow_executions")
    made = await bare.setup("-o", "json")
    assert made.code == 1
    found = checks(made)
    assert found["search attributes"]["verdict"] == found["retention"]["verdict"] == "not checked"
    assert found["may view"]["verdict"] == "failed"


async def test_a_name_that_is_taken_for_something_else_is_told(bare: Bare) -> None:
    await bare.make("taken")
    await bare.register("RolloutPhase", kind=IndexedValueType.INDEXED_VALUE_TYPE_INT)
    made = await bare.setup("-o", "json")
    assert made.code == 1
    assert checks(made)["search attributes"]["what"] == "RolloutPhase is registered as INT, not as KEYWORD"
    assert list(await bare.registered() or ()) == ["RolloutPhase"]


async def test_a_short_retention_is_told_with_what_to_do(bare: Bare) -> None:
    await bare.make("forgetful", days=1)
    made = await bare.setup("-o", "json")
    assert made.code == 0
    told = checks(made)["retention"]
    assert told["verdict"] == "warning"
    assert told["what"].startswith("rollouts that have ended are kept for 24 hours: ")
    assert told["todo"].endswith("temporal operator namespace update --namespace forgetful --retention 7d")


async def test_a_namespace_that_is_not_there_is_named(bare: Bare) -> None:
    bare.namespace = "nowhere"
    made = await bare.setup()
    assert made.code == 1
    assert "error: there is no namespace nowhere at " in made.stderr
    assert "temporal operator namespace create --namespace nowhere" in made.stderr

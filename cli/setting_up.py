"""What a Temporal namespace needs for rollouts: search attributes, and some days of retention."""

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from rollwright.cli.failure import CommandError
from rollwright.cli.outputs import Checked, SetUp, Verdict
from rollwright.cli.temporal import ANSWER, explained
from rollwright.cli.temporal_rights import DENIED, rights
from rollwright.workflows.contract import ATTRIBUTES, NEEDED_ATTRIBUTES

_NAMES = [attribute.name for attribute in ATTRIBUTES]
_NEEDED = {attribute.name for attribute in NEEDED_ATTRIBUTES}
_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_LEAST_DAYS = 7
"""A rollout takes a day or two, and some days later somebody still asks what became of it."""


async def set_up(client: Client, *, dry_run: bool) -> SetUp:
    """Register what is missing, unless it is a dry run, and tell how all of it stands. Raises CommandError."""
    place = _Place(client.service_client.config.target_host, client.namespace)
    with explained(f"namespace {place.namespace} can't be set up"):
        retention = await _retention(client, place)  # first: it says whether there is such a namespace
        created, attributes = await _attributes(client, place, dry_run=dry_run)
    checks = (attributes, retention, *await rights(client))
    return SetUp(address=place.address, namespace=place.namespace, created=created, checks=checks)


class _Place(NamedTuple):
    """A namespace, and the commands by which somebody who may changes it."""

    address: str
    namespace: str

    @property
    def _is_cloud(self) -> bool:
        return self.address.partition(":")[0].endswith((".tmprl.cloud", ".temporal.io"))

    def registering(self, names: Collection[str]) -> str:
        if self._is_cloud:
            given = " ".join(f"--search-attribute {name}=Keyword" for name in names)
            return f"tcld namespace search-attributes add --namespace {self.namespace} {given}"
        given = " ".join(f"--name {name} --type Keyword" for name in names)
        return f"temporal operator search-attribute create --namespace {self.namespace} {given}"

    def keeping(self) -> str:
        if self._is_cloud:
            return f"tcld namespace retention set --namespace {self.namespace} --retention-days {_LEAST_DAYS}"
        return f"temporal operator namespace update --namespace {self.namespace} --retention {_LEAST_DAYS}d"


async def _attributes(client: Client, place: _Place, *, dry_run: bool) -> tuple[tuple[str, ...], Checked]:
    """What was registered now, and how they stand then."""
    about = "search attributes"
    try:
        missing = await _missing(client)
        refused = "" if dry_run or not missing else await _register(client, missing)
        left = await _missing(client) if missing else []
    except CommandError as error:
        return (), Checked(about=about, verdict=Verdict.FAILED, what=error.what, todo=error.todo)
    except RPCError as error:
        if error.status not in DENIED:
            raise
        what, todo = f"you may not see which there are: {error.message}", _ask_for(place.registering(_NAMES))
        return (), Checked(about=about, verdict=Verdict.NOT_CHECKED, what=what, todo=todo)
    created = tuple(name for name in missing if name not in left)
    if not left:
        return created, Checked(about=about, verdict=Verdict.OK, what=f"all {len(_NAMES)} are registered")
    what = f"not registered: {', '.join(left)}" + (f": {refused}" if refused else "")
    # Older versions have registered the needed ones only, and rollouts go by without the others.
    verdict = Verdict.FAILED if _NEEDED & set(left) else Verdict.WARNING
    if refused:
        todo = _ask_for(place.registering(left))
    else:
        todo = (
            "Run rollwright setup without --dry-run."
            if dry_run
            else "Look again in a minute: it is not known everywhere."
        )
    return created, Checked(about=about, verdict=verdict, what=what, todo=todo)


def _ask_for(command: str) -> str:
    return f"Somebody with the admin role runs: {command}"


async def _missing(client: Client) -> list[str]:
    """Those that are not registered. Raises RPCError, CommandError if one is registered as something else."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    known = (await client.operator_service.list_search_attributes(request, timeout=ANSWER)).custom_attributes
    for name in _NAMES:
        if known.get(name, _KEYWORD) != _KEYWORD:
            kind = IndexedValueType.Name(known[name]).removeprefix("INDEXED_VALUE_TYPE_")
            raise CommandError(
                f"{name} is registered as {kind}, not as KEYWORD",
                todo="Something else uses this name in the namespace: take another namespace for rollouts.",
            )
    return [name for name in _NAMES if name not in known]


async def _register(client: Client, names: Collection[str]) -> str:
    """Why it was refused; empty if it wasn't. Somebody else may do the same now: what counts is what is there then."""
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=dict.fromkeys(names, _KEYWORD))
    try:
        await client.operator_service.add_search_attributes(request, timeout=ANSWER)
    except RPCError as error:
        return error.message
    return ""


async def _retention(client: Client, place: _Place) -> Checked:
    about = "retention"
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        described = await client.workflow_service.describe_namespace(request, timeout=ANSWER)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise CommandError(
                f"there is no namespace {client.namespace} at {place.address}",
                todo="Set TEMPORAL_NAMESPACE; or have it made: temporal operator namespace create "
                f"--namespace {client.namespace} --retention {_LEAST_DAYS}d",
            ) from error
        if error.status not in DENIED:
            raise
        return Checked(about=about, verdict=Verdict.NOT_CHECKED, what=f"you may not see it: {error.message}")
    kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
    what = f"rollouts that have ended are kept for {kept / timedelta(hours=1):g} hours"
    if kept >= timedelta(days=_LEAST_DAYS):
        return Checked(about=about, verdict=Verdict.OK, what=what)
    return Checked(
        about=about,
        verdict=Verdict.WARNING,
        what=f"{what}: list --all, report and the strategy that undo takes over reach no further back",
        todo=_ask_for(place.keeping()),
    )

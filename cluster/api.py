"""Requests to the API server as plain JSON, with errors told apart and requests counted."""

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, ApiException, Configuration
from kubernetes.aio.config.kube_config import KubeConfigLoader, refresh_token
from pydantic_core import from_json  # twice as fast as json.loads, and most of what a worker does
from yaml import YAMLError

from rollwright.cluster.errors import UnconfiguredError, UnreachableError, translate

Manifest = dict[str, Any]
_log = logging.getLogger(__name__)
_REQUEST_SECONDS = 10.0
_PAGE = 250
_SILENCE_SECONDS = 150.0  # bookmarks come every minute or so
NO_ANSWER = "none"
_CONTENT = {"PATCH": "application/json-patch+json", "POST": "application/yaml"}
_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)
_BROKE_OFF = (*_NO_ANSWER, ValueError)  # half an answer is no JSON


class Kind(NamedTuple):
    """A kind of object, by where the API server serves it; one without namespaces has none given."""

    path: str
    plural: str

    @property
    def version(self) -> str:
        """Its apiVersion."""
        return self.path.removeprefix("/apis/").removeprefix("/api/")

    def url(self, namespace: str, name: str = "") -> str:
        """The path of one object, of all in a namespace, or, without one, of all there are."""
        scope = f"{self.path}/namespaces/{namespace}" if namespace else self.path
        return f"{scope}/{self.plural}" + (f"/{name}" if name else "")


LEADER_WORKER_SETS = Kind("/apis/leaderworkerset.x-k8s.io/v1", "leaderworkersets")
STATEFUL_SETS = Kind("/apis/apps/v1", "statefulsets")
CONTROLLER_REVISIONS = Kind("/apis/apps/v1", "controllerrevisions")
PODS = Kind("/api/v1", "pods")
JOBS = Kind("/apis/batch/v1", "jobs")
ENDPOINT_SLICES = Kind("/apis/discovery.k8s.io/v1", "endpointslices")
EVENTS = Kind("/api/v1", "events")
CONFIG_MAPS = Kind("/api/v1", "configmaps")
NODES = Kind("/api/v1", "nodes")


class Api:
    """One API server. Every method raises a ClusterError for what goes wrong."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self.requests: Counter[str] = Counter()
        """Requests made so far, by verb and kind, for the benchmark."""
        self.answers: Counter[tuple[str, str]] = Counter()
        """The same once they were answered, with the status; with NO_ANSWER if none came."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Read one object, up to date."""
        return await self._json("GET", kind, namespace, name, verb="get")

    async def list_all(self, kind: Kind, namespace: str, selector: str = "", *, fields: str = "") -> Manifest:
        """Read all objects that a label selector matches, as they were at one moment, not long ago.

        Page by page, each a request: read at once, thousands of pods would keep everything else from being done.
        `fields`: a field selector.
        """
        listing: Manifest = {}
        items: list[Manifest] = []
        async for listing in self.pages(kind, namespace, selector, fields=fields):
            items += listing["items"]
        return {**listing, "items": items}

    async def pages(
        self, kind: Kind, namespace: str, selector: str = "", *, fields: str = ""
    ) -> AsyncIterator[Manifest]:
        """The same page by page, for whoever needn't keep it all. `fields`: a field selector."""
        selectors = [("labelSelector", selector), ("fieldSelector", fields)]
        query = [("limit", str(_PAGE)), *(given for given in selectors if given[1])]
        listing = await self._json("GET", kind, namespace, verb="list", query=query)
        yield listing
        while more := listing["metadata"].get("continue"):
            listing = await self._json("GET", kind, namespace, verb="list", query=[*query, ("continue", more)])
            yield listing

    async def log(self, namespace: str, pod: str, container: str, *, lines: int, limit_bytes: int) -> str:
        """Read the last lines of a container's log, up to so many bytes from where they begin.

        What the kubelet doesn't answer, also as there is no log yet or no more, is told apart as with anything else.
        """
        query = [("container", container), ("tailLines", str(lines)), ("limitBytes", str(limit_bytes))]
        what = f"get pods/log {namespace}/{pod}"
        path = f"{PODS.url(namespace, pod)}/log"
        response = await self._send("GET", path, what, counted="get pods/log", query=query)
        read = bytearray()
        try:
            while len(read) < limit_bytes and (more := await response.content.read(limit_bytes - len(read))):
                read += more
        except _NO_ANSWER as error:
            raise UnreachableError(f"{what}: {_describe(error)}") from error
        finally:
            response.close()
        return read.decode(errors="replace")

    async def create(self, kind: Kind, namespace: str, body: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create an object; with `dry_run` only ask what would come of it.

        As YAML, of which the API server itself makes the JSON: where it keeps JSON as it came (the data of a
        ControllerRevision), any later change writes it in the server's own way, and is refused if that is another.
        """
        query = [("dryRun", "All")] if dry_run else []
        return await self._json("POST", kind, namespace, verb="create", query=query, body=_yaml(body))

    async def patch(
        self, kind: Kind, namespace: str, name: str, operations: list[Manifest], *, dry_run: bool = False
    ) -> Manifest:
        """Apply a JSON patch; with `dry_run` only ask what would come of it."""
        query = [("dryRun", "All")] if dry_run else []
        return await self._json("PATCH", kind, namespace, name, verb="patch", query=query, body=operations)

    async def delete(
        self, kind: Kind, namespace: str, name: str, preconditions: Manifest | None = None, *, propagation: str = ""
    ) -> None:
        """Delete an object, if it still meets the preconditions (uid, resourceVersion).

        `propagation`: what becomes of the objects it owns, a propagationPolicy; empty: what is usual of the kind.
        """
        body = {
            **({"preconditions": preconditions} if preconditions else {}),
            **({"propagationPolicy": propagation} if propagation else {}),
        }
        await self._json("DELETE", kind, namespace, name, verb="delete", body=body)

    async def watch(
        self, kind: Kind, namespace: str, selector: str, version: str, *, fields: str = ""
    ) -> AsyncIterator[Manifest]:
        """Yield events from a resourceVersion on until the server ends the stream. `fields`: a field selector."""
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("labelSelector", selector),
            *([("fieldSelector", fields)] if fields else []),
        ]
        what = f"watch {kind.plural} in {namespace}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_REQUEST_SECONDS, sock_read=_SILENCE_SECONDS)
        response = await self._send(
            "GET", kind.url(namespace), what, counted=f"watch {kind.plural}", query=query, request_timeout=timeout
        )
        try:
            async for line in response.content:
                yield from_json(line)
        except _BROKE_OFF as error:
            raise UnreachableError(f"{what}: {_describe(error)}") from error
        finally:
            response.close()

    async def _json(
        self,
        method: str,
        kind: Kind,
        namespace: str,
        name: str = "",
        *,
        verb: str,
        query: list[tuple[str, str]] | None = None,
        body: object = None,
    ) -> Manifest:
        what = f"{verb} {kind.plural} {namespace}/{name}".rstrip(" /")
        response = await self._send(
            method, kind.url(namespace, name), what, counted=f"{verb} {kind.plural}", query=query, body=body
        )
        try:
            answer: Manifest = from_json(await response.read())
        except _BROKE_OFF as error:
            raise UnreachableError(f"{what}: the answer broke off ({_describe(error)})") from error
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        what: str,
        *,
        counted: str,
        query: list[tuple[str, str]] | None = None,
        body: object = None,
        request_timeout: object = _REQUEST_SECONDS,
    ) -> aiohttp.ClientResponse:
        """`counted`: as what, by verb and kind."""
        self.requests[counted] += 1
        status = NO_ANSWER
        content = _CONTENT.get(method, "application/json")
        try:
            request = await self._client.param_serialize(  # also reads the token, in a pod from its file
                method,
                path,
                query_params=query or [],
                header_params={"Accept": "application/json", "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(*request, _request_timeout=request_timeout)
            status = str(answer.status)
            if not 200 <= answer.status <= 299:
                await answer.read()
                self._client.response_deserialize(answer, {})
        except ApiException as error:
            raise translate(error, what) from error
        except config.ConfigException as error:
            raise UnreachableError(f"{what}: there are no credentials to be had: {error}") from error
        except _NO_ANSWER as error:
            raise UnreachableError(f"{what}: {_describe(error)}; is the API server up?") from error
        finally:
            self.answers[counted, status] += 1
        response: aiohttp.ClientResponse = answer.response
        return response


def _yaml(body: Manifest) -> str:
    """JSON is YAML, but for a few characters that YAML wants escaped, and pairs of escapes for one character."""
    text = json.dumps(body, ensure_ascii=False)
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _describe(error: BaseException) -> str:
    return str(error) or type(error).__name__


@asynccontextmanager
async def connect(kubeconfig: str | None = None, context: str | None = None) -> AsyncIterator[Api]:
    """Connect by a kubeconfig (KUBECONFIG and ~/.kube/config unless given), or as a pod of the cluster.

    Raises UnconfiguredError if neither can be had.
    """
    configuration = Configuration()
    try:
        loader = await _configure(configuration, kubeconfig, context)
    except (config.ConfigException, TypeError, YAMLError) as error:  # TypeError: what the client makes of an empty file
        raise UnconfiguredError(f"no kubeconfig says which cluster it is: {error}") from error
    configuration.connection_pool_maxsize = 100
    _look_for_proxy(configuration)
    async with ApiClient(configuration) as client:
        renewing = asyncio.create_task(_renew_token(loader, configuration))
        try:
            yield Api(client)
        finally:
            renewing.cancel()


def _look_for_proxy(configuration: Configuration) -> None:
    """Look once for what the environment says of proxies: left to itself, the client looks at every request.

    And each time for a ~/.netrc, in two threads. Credentials are the kubeconfig's alone.
    """
    configuration.client_session_kwargs = {"trust_env": False}
    server = urlsplit(configuration.host)
    if not configuration.proxy and server.hostname and not proxy_bypass(server.hostname):
        configuration.proxy = getproxies().get(server.scheme)


async def _renew_token(loader: KubeConfigLoader | None, configuration: Configuration) -> None:
    """Renew tokens that a plugin of the kubeconfig gives out, as those of EKS and GKE; in a pod the client does it."""
    while loader:
        try:
            await refresh_token(loader, configuration)
        except (config.ConfigException, OSError) as error:
            _log.warning("the kubeconfig's token can't be renewed: %s", error)
        else:
            return  # it is one that stays


async def _configure(
    configuration: Configuration, kubeconfig: str | None, context: str | None
) -> KubeConfigLoader | None:
    try:
        loader: KubeConfigLoader = await config.load_kube_config(
            config_file=kubeconfig, context=context, client_configuration=configuration, persist_config=False
        )
    except config.ConfigException:
        if kubeconfig or context:
            raise
        config.load_incluster_config(client_configuration=configuration)
        return None
    return loader

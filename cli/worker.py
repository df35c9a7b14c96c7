"""`rollwright worker`: run a worker."""

import asyncio
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from rollwright.activities.connections import Reach
from rollwright.activities.recipients import NotifyFileError
from rollwright.cli import options
from rollwright.cli.connecting import misconfigured, unreachable
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.text import one_line
from rollwright.cluster.errors import UnconfiguredError
from rollwright.rollout.models import Name, ObjectName
from rollwright.worker import logs
from rollwright.worker.endpoints import Address, EndpointError
from rollwright.worker.observing import Endpoints
from rollwright.worker.permissions import ALL_NAMESPACES
from rollwright.worker.policies import DEFAULT_CONFIG_MAP, Place
from rollwright.worker.run import run_worker
from rollwright.worker.settings import Settings
from rollwright.worker.temporal import MisconfiguredError
from rollwright.worker.versions import Versioned
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE

app = typer.Typer()

_NAME: TypeAdapter[str] = TypeAdapter(ObjectName)


@app.command()
def worker(
    *,
    task_queue: options.TaskQueue = DEFAULT_TASK_QUEUE,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar="ROLLWRIGHT_CLUSTER",
            help="The name of the worker's cluster, where workers of several share a Temporal namespace: it takes the "
            "steps of rollouts whose target names it.",
        ),
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", "-n", help="Of its targets: it tells at its start what it may not do there; repeatable."
        ),
    ] = None,
    everywhere: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="It has targets in all namespaces.")
    ] = False,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    connections: options.Connections = None,
    allow_local: Annotated[
        bool,
        typer.Option(
            "--allow-local",
            envvar="ROLLWRIGHT_ALLOW_LOCAL",
            help="Let gates ask link-local addresses, as of metadata services, and by url the worker's own host.",
        ),
    ] = False,
    notify: options.Notify = None,
    follow_targets: Annotated[
        bool,
        typer.Option(
            "--follow", help="Start a rollout where the template of a target with a policy changes while it is frozen."
        ),
    ] = False,
    follow_namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--follow-namespace",
            metavar="NAMESPACE",
            help="Of the targets to follow; repeatable; without it 'default'.",
        ),
    ] = None,
    policies: Annotated[
        str | None,
        typer.Option(
            metavar="[NAMESPACE/]NAME",
            help="The ConfigMap with the policies; in each target's own namespace without one.",
            show_default=DEFAULT_CONFIG_MAP,
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            envvar="ROLLWRIGHT_METRICS",
            help="Where Prometheus may scrape metrics, at /metrics; nowhere without it.",
        ),
    ] = None,
    health: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            envvar="ROLLWRIGHT_HEALTH",
            help="Where /healthz and /readyz tell how the worker is; nowhere without it.",
        ),
    ] = None,
    log: Annotated[
        logs.LogFormat | None,
        typer.Option(
            "--log", envvar="ROLLWRIGHT_LOG", help="How log lines look; text at a terminal and else json without it."
        ),
    ] = None,
    deployment: options.Deployment = None,
    build_id: Annotated[
        str | None,
        typer.Option(
            "--build-id",
            metavar="ID",
            envvar="ROLLWRIGHT_BUILD_ID",
            help="Which build of the deployment this is, such as the image's tag; rollouts stay on one until another "
            "is made current.",
        ),
    ] = None,
    become_current: Annotated[
        bool,
        typer.Option(
            "--become-current",
            envvar="ROLLWRIGHT_BECOME_CURRENT",
            help="Make this build the current one once its workers take tasks, unless it was that before.",
        ),
    ] = False,
) -> None:
    """Run a worker: it carries out the rollouts of one cluster until it gets SIGTERM or Ctrl-C.

    Any number of workers may run; when one ends or dies, the others go on
    with its rollouts. Without a kubeconfig it uses its own pod's account.

    Examples:
      rollwright worker
      rollwright worker --kubeconfig ~/.kube/east --cluster east
      rollwright worker --namespace inference --namespace batch
      rollwright worker --connections /etc/rollwright/connections
      rollwright worker --notify /etc/rollwright/notify.yaml
      rollwright worker --follow --follow-namespace inference --policies rollwright/policies
      rollwright worker --metrics 127.0.0.1:9090 --health 127.0.0.1:8080
      rollwright worker --deployment gpu --build-id v2 --become-current
      TEMPORAL_ADDRESS=temporal.internal:7233 rollwright worker

    """
    logs.configure(log)
    reach = Reach(connections=connections, local=allow_local)
    endpoints = Endpoints(_address("--metrics", metrics), _address("--health", health))
    place = _place(DEFAULT_CONFIG_MAP if policies is None else policies)
    if follow_namespace and not follow_targets:
        raise CommandError("--follow-namespace says where to follow; give --follow too", code=ExitCode.BAD_INPUT)
    if policies is not None and not follow_targets:
        raise CommandError("--policies says what to follow by; give --follow too", code=ExitCode.BAD_INPUT)
    versioned = _versioned(deployment, build_id, become_current=become_current)
    namespaces = tuple(dict.fromkeys(map(_name, follow_namespace or ["default"]))) if follow_targets else ()
    try:
        asyncio.run(
            run_worker(
                Settings(
                    task_queue=task_queue,
                    cluster=None if cluster is None else _cluster(cluster),
                    kubeconfig=kubeconfig,
                    context=context,
                    notify=notify,
                    reach=reach,
                    targets=_targets(namespace or [], everywhere=everywhere),
                    follow=namespaces,
                    policies=place,
                    endpoints=endpoints,
                    versioned=versioned,
                )
            )
        )
    except NotifyFileError as error:
        todo = "docs/notifications.md shows what may be written."
        raise CommandError(str(error), todo=todo, code=ExitCode.BAD_INPUT) from None
    except EndpointError as error:
        raise CommandError(str(error), todo="Give --metrics and --health other addresses.") from None
    except MisconfiguredError as error:
        raise misconfigured(error) from error
    except RuntimeError as error:
        raise unreachable(error) from error
    except (UnconfiguredError, OSError) as error:
        raise CommandError(
            f"there is no way to a cluster: {error}",
            todo="Give --kubeconfig, set KUBECONFIG, or run the worker as a pod with a service account.",
        ) from error


def _address(option: str, text: str | None) -> Address | None:
    try:
        return Address.parse(text) if text else None
    except EndpointError as error:
        raise CommandError(
            f"{option}: {error}", todo="Write it as in 127.0.0.1:9090, or [::1]:9090.", code=ExitCode.BAD_INPUT
        ) from None


def _targets(namespaces: list[str], *, everywhere: bool) -> tuple[str, ...]:
    if everywhere and namespaces:
        raise CommandError("give --namespace or --all-namespaces, not both", code=ExitCode.BAD_INPUT)
    return (ALL_NAMESPACES,) if everywhere else tuple(dict.fromkeys(map(_name, namespaces)))


def _versioned(deployment: str | None, build_id: str | None, *, become_current: bool) -> Versioned | None:
    """Which build this is; none without a word of it."""
    if not deployment and not build_id and not become_current:
        return None
    if not deployment or not build_id:
        raise CommandError(
            "--deployment, --build-id and --become-current go together: a build is one of a deployment",
            todo="Give --deployment and --build-id; docs/upgrading.md says what for.",
            code=ExitCode.BAD_INPUT,
        )
    options.check_deployment(deployment)
    return Versioned(deployment, build_id, becomes_current=become_current)


def _place(text: str) -> Place:
    namespace, separator, name = text.rpartition("/")
    return Place(_name(name), _name(namespace) if separator else "")


def _cluster(text: str) -> str:
    try:
        return TypeAdapter[str](Name).validate_python(text)
    except ValidationError:
        raise CommandError(
            f"--cluster: {one_line(text)!r} is no name of a cluster: lower-case letters, digits and '-', at most 63",
            code=ExitCode.BAD_INPUT,
        ) from None


def _name(text: str) -> str:
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        raise CommandError(
            f"{one_line(text)!r} is no name of a namespace or a ConfigMap",
            todo="Write --namespace and --follow-namespace NAMESPACE, and --policies NAME or NAMESPACE/NAME.",
            code=ExitCode.BAD_INPUT,
        ) from None

"""`rollwright worker`: run a worker."""

import asyncio
from typing import Annotated

import typer

from rollwright.activities.connections import Reach
from rollwright.activities.recipients import NotifyFileError
from rollwright.cli import options
from rollwright.cli import worker_settings as read
from rollwright.cli.connecting import misconfigured, unreachable
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cluster.errors import UnconfiguredError
from rollwright.worker import logs
from rollwright.worker.endpoints import EndpointError
from rollwright.worker.observing import Endpoints
from rollwright.worker.policies import DEFAULT_CONFIG_MAP
from rollwright.worker.run import run_worker
from rollwright.worker.settings import Settings
from rollwright.worker.temporal import MisconfiguredError
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE

app = typer.Typer()


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
    settings = Settings(
        task_queue=task_queue,
        cluster=read.cluster(cluster),
        kubeconfig=kubeconfig,
        context=context,
        notify=notify,
        reach=Reach(connections=connections, local=allow_local),
        targets=read.targets(namespace or [], everywhere=everywhere),
        follow=read.followed(follow_namespace or [], policies, follows=follow_targets),
        policies=read.place(policies),
        endpoints=Endpoints(read.address("--metrics", metrics), read.address("--health", health)),
        versioned=read.versioned(deployment, build_id, become_current=become_current),
    )
    try:
        asyncio.run(run_worker(settings))
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

"""`rollwright worker`: run a worker."""

import asyncio
import logging

import typer

from rollwright.cli import options
from rollwright.cli.failure import CommandError
from rollwright.cli.temporal import unreachable
from rollwright.cluster.errors import UnconfiguredError
from rollwright.worker.run import run_worker
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE

app = typer.Typer()


@app.command()
def worker(
    *,
    task_queue: options.TaskQueue = DEFAULT_TASK_QUEUE,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
) -> None:
    """Run a worker: it carries out the rollouts of one cluster until it gets SIGTERM or Ctrl-C.

    Any number of workers may run; when one ends or dies, the others go on
    with its rollouts. Without a kubeconfig it uses its own pod's account.

    Examples:
      rollwright worker
      rollwright worker --kubeconfig ~/.kube/gpu --task-queue gpu-cluster
      TEMPORAL_ADDRESS=temporal.internal:7233 rollwright worker

    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(run_worker(task_queue=task_queue, kubeconfig=kubeconfig, context=context))
    except RuntimeError as error:
        raise unreachable(error) from error
    except (UnconfiguredError, OSError) as error:
        raise CommandError(
            f"there is no way to a cluster: {error}",
            todo="Give --kubeconfig, set KUBECONFIG, or run the worker as a pod with a service account.",
        ) from error

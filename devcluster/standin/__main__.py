# The Kubernetes client has annotations in part only.
# mypy: allow-untyped-calls
"""Runs the stand-in for the LeaderWorkerSet controller: `python -m rollwright.devcluster.standin --kubeconfig PATH`."""

import argparse
import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from kubernetes.aio.config import new_client_from_config

from rollwright.devcluster.standin.groups import GroupController
from rollwright.devcluster.standin.sets import SetController
from rollwright.devcluster.standin.store import Stores

_log = logging.getLogger("rollwright.devcluster.standin")


async def run(kubeconfig: Path) -> None:
    """Reconcile the LeaderWorkerSets of a cluster until cancelled."""
    client = await new_client_from_config(str(kubeconfig), persist_config=False)
    async with client, asyncio.TaskGroup() as tasks:
        stores = Stores.of(client)
        for store in stores:
            tasks.create_task(store.run())
        for store in stores:
            await store.listed.wait()
        SetController(stores, tasks)
        GroupController(stores, tasks)
        _log.info("ready")


async def _run_until_sigterm(kubeconfig: Path) -> None:
    running = asyncio.create_task(run(kubeconfig))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m rollwright.devcluster.standin", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_run_until_sigterm(arguments.kubeconfig))


if __name__ == "__main__":
    main()

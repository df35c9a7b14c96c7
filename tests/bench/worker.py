"""A worker to be measured, in a process of its own: `python -m tests.bench.worker QUEUE KUBECONFIG`.

For every line on stdin it tells, as a line of JSON, the API requests it has made so far; it ends with stdin.
"""

import argparse
import asyncio
import cProfile
import json
import logging
import os
import sys
from typing import TextIO

from rollwright.cluster.api import connect
from rollwright.cluster.probing import Prober
from rollwright.cluster.watching import Watches
from rollwright.worker import temporal
from rollwright.worker.making import Parts, make_workers
from rollwright.worker.settings import Settings
from rollwright.workflows import rollout


async def _work(task_queue: str, kubeconfig: str, answers: TextIO) -> None:
    client = await temporal.connect()
    asked = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    async with connect(kubeconfig) as api:
        watches, prober = Watches(api), Prober()
        (worker,) = make_workers(Parts(client, api, watches, prober), Settings(task_queue=task_queue))
        async with worker:
            while await asked.readline():
                print(json.dumps(api.requests), file=answers, flush=True)
        await prober.close()
        await watches.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.worker", description=__doc__)
    parser.add_argument("task_queue")
    parser.add_argument("kubeconfig")
    parser.add_argument("--events-a-run", type=int, help="begin a history anew after so many events")
    parser.add_argument("--profile", help="run under cProfile, and leave its findings in this file")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if given.events_a_run:
        rollout._EVENTS_A_RUN = given.events_a_run
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # where Temporal's core logs
    work = _work(given.task_queue, given.kubeconfig, answers)
    if not given.profile:
        asyncio.run(work)
        return
    with cProfile.Profile() as found:
        asyncio.run(work)
    found.dump_stats(given.profile)


if __name__ == "__main__":
    main()

"""A worker to be measured, in a process of its own. `python -m tests.bench.worker QUEUE KUBECONFIG [PROFILE]`.

For every line on stdin it tells, as a line of JSON, the API requests it has made so far; it ends with stdin. With
PROFILE it runs under cProfile, and leaves its findings in that file.
"""

import asyncio
import cProfile
import json
import logging
import sys

from rollwright.cluster.api import connect
from rollwright.cluster.watching import Watches
from rollwright.worker import temporal
from rollwright.worker.run import make_worker


async def _work(task_queue: str, kubeconfig: str) -> None:
    client = await temporal.connect()
    asked = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    async with connect(kubeconfig) as api:
        watches = Watches(api)
        async with make_worker(client, api, watches, task_queue):
            while await asked.readline():
                print(json.dumps(api.requests), flush=True)
        await watches.close()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    task_queue, kubeconfig, *profile = sys.argv[1:]
    work = _work(task_queue, kubeconfig)
    if not profile:
        asyncio.run(work)
        return
    with cProfile.Profile() as found:
        asyncio.run(work)
    found.dump_stats(profile[0])


if __name__ == "__main__":
    main()

"""`make chaos [ROUNDS=n] [SEED=n] [PLAN=file]`: random rollouts, and random things that happen to them.

Exits with 1 if one went wrong, got stuck, or crashed.
Prints a line a round, at length what went wrong with the plan that shows it, and a JSON object at the end. The rounds
have the seeds SEED, SEED + 1, ...; a seed alone reruns by `ROUNDS=1 SEED=n`, without what other rounds took away; with
that too by `PLAN=file`, which holds a printed plan.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from tests.chaos.plan import Plan, draw
from tests.chaos.run import own_site, play, summary
from tests.chaos.verdict import Outcome

_LANES = 5


async def main() -> int:
    """Play what the arguments say."""
    given = _arguments()
    # Of a server that is away the client's own log would tell at every attempt.
    quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=quiet)))
    if given.plan:
        plans = [Plan.model_validate_json(given.plan.read_text())]
    else:
        first = given.seed if given.seed is not None else SystemRandom().randrange(1_000_000)
        plans = [draw(first + number) for number in range(given.rounds)]
    _say(f"{len(plans)} rounds from seed {plans[0].seed} on")
    began = time.monotonic()
    with TemporaryDirectory(prefix="chaos-") as folder:
        async with own_site(Path(sys.executable).with_name("temporal"), Path(folder)) as place:
            alone = len(plans) == 1
            verdicts = await play(plans, place, Path(folder), lanes=given.lanes, report=_say, at_length=alone)
    print(json.dumps(summary(verdicts, time.monotonic() - began)))
    return 0 if all(verdict.outcome is Outcome.FINE for verdict in verdicts) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, help="of the first round; else one is drawn")
    parser.add_argument("--plan", type=Path, help="a file with one plan")
    parser.add_argument("--lanes", type=int, default=_LANES, help="rounds at a time")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

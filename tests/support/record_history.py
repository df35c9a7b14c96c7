"""Stores the history of a real rollout for the replay test: `python -m tests.support.record_history ID NAME [RUN_ID]`.

Connects as the environment says (TEMPORAL_ADDRESS). What names a machine or a person is taken out.
"""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

from rollwright.worker.temporal import connect

HISTORIES = Path(__file__).parents[1] / "data" / "histories"
"""Of the version that is worked on. Those of a release are in a folder of its name, and stay as they are."""


def anonymous(value: Any) -> Any:
    """The same, without what PID@HOST begins: identities, and the names of sticky queues."""
    match value:
        case dict():
            return {key: anonymous(item) for key, item in value.items()}
        case list():
            return [anonymous(item) for item in value]
        case str() if re.match(r"\d+@", value):
            return "worker"
        case _:
            return value


async def main(workflow_id: str, name: str, run_id: str | None = None) -> None:
    """Write the history of a run, the newest without one, to tests/data/histories/NAME.json."""
    client = await connect()
    history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
    HISTORIES.mkdir(parents=True, exist_ok=True)
    (HISTORIES / f"{name}.json").write_text(json.dumps(anonymous(history.to_json_dict()), indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

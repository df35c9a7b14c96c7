"""A file of keys, and the codec server that opens what is sealed with them."""

import base64
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.client import Client, WorkflowHandle

from rollwright.worker import keyring, temporal
from rollwright.workflows.contract import RolloutStatus
from tests.e2e.processes import Process
from tests.e2e.scene import Scene

_SERVES = re.compile(r"opening sealed payloads on port (\d+)")


class Keys:
    """A file of keys, as its owner changes it. Processes that are started once it is there use it."""

    def __init__(self, path: Path, environment: pytest.MonkeyPatch) -> None:
        self.path = path
        self._environment = environment
        self._keys: dict[str, str] = {}

    def write(self, *names: str, active: str) -> None:
        for name in names:
            self._keys.setdefault(name, base64.b64encode(os.urandom(32)).decode())
        self.path.write_text(yaml.safe_dump({"active": active, "keys": {name: self._keys[name] for name in names}}))
        self._environment.setenv(keyring.SETTING, str(self.path))

    def leave_away(self) -> None:
        self._environment.delenv(keyring.SETTING)

    async def handle(self, scene: Scene) -> WorkflowHandle[Any, RolloutStatus]:
        """The rollout for somebody with these keys."""
        made = temporal.converter(keyring.read(self.path))
        client = await Client.connect(scene.server.address, data_converter=made)
        return client.get_workflow_handle(scene.target.workflow_id, result_type=RolloutStatus)


@asynccontextmanager
async def codec_server(folder: Path, origin: str = "http://localhost:8233", port: int = 0) -> AsyncIterator[str]:
    """A while in which there is one; its address."""
    log = folder / "codec-server.log"
    command = (sys.executable, "-m", "rollwright.cli.main", "codec-server", f"--listen=127.0.0.1:{port}")
    process = await Process.start(*command, f"--origin={origin}", log=log)
    try:
        await process.says("opening sealed payloads on port")
        (found,) = _SERVES.findall(log.read_text())
        yield f"http://127.0.0.1:{found}"
    finally:
        assert await process.terminate() == 0

"""Every kind of gate on the real parts, each with a way to have it decided: what the tests of all kinds play with."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from aiohttp import web

from rollwright.devcluster.prometheus import Prometheus
from rollwright.rollout.gates.gate import Finding
from rollwright.workflows.contract import Message
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.scene import CAPTAIN, NAME, Rollout, Scene
from tests.support.exporter import Exporter
from tests.support.receiver import Receiver, receiver

METRIC = "bad_answers"
_EXIT_AFTER, _EXIT_CODE = "devcluster.rollwright.io/exit-after", "devcluster.rollwright.io/exit-code"


@dataclass
class Stage:
    """What gates are about, and what they ask."""

    scene: Scene
    exporter: Exporter
    prometheus: Prometheus
    receiver: Receiver


@asynccontextmanager
async def stage(scene: Scene, exporter: Exporter, prometheus: Prometheus) -> AsyncIterator[Stage]:
    async with receiver() as receiving:
        receiving.answer = partial(_answer, 202)
        yield Stage(scene, exporter, prometheus, receiving)


async def _answer(status: int, _: web.Request) -> web.Response:
    return web.Response(status=status, text="as told")


class Play(ABC):
    """One kind of gate. It is undecided until it is told."""

    KIND: ClassVar[str]

    def __init__(self, on: Stage) -> None:
        self.on = on

    @abstractmethod
    def gate(self) -> Json:
        """As it is written, without its kind."""

    @abstractmethod
    async def passes(self, rollout: Rollout) -> None:
        """Have it pass."""

    async def begun(self, rollout: Rollout) -> None:
        """Wait until it has been asked, and is not decided."""
        await rollout.until(lambda now: [gate.progress.finding for gate in now.open_gates] == [Finding.PENDING])


class FalliblePlay(Play):
    """Of a kind that can fail by what it finds, and not only by taking too long."""

    @abstractmethod
    async def fails(self, rollout: Rollout) -> None:
        """Have it fail."""


class BakePlay(FalliblePlay):
    KIND = "bake"

    def gate(self) -> Json:
        return {"duration": "12s"}

    async def begun(self, rollout: Rollout) -> None:
        await rollout.until(lambda now: any(gate.progress.memory for gate in now.open_gates))

    async def passes(self, rollout: Rollout) -> None:
        """Nothing but time is needed."""

    async def fails(self, rollout: Rollout) -> None:
        await self.on.scene.kubectl("delete", "pod", f"{NAME}-3", "--wait=false")


class ApprovalPlay(FalliblePlay):
    KIND = "approval"

    def gate(self) -> Json:
        return {}

    async def passes(self, rollout: Rollout) -> None:
        seen = (await rollout.status()).seen
        await rollout.send(Message.APPROVE, seen=seen)

    async def fails(self, rollout: Rollout) -> None:
        await rollout.send(Message.REJECT, reason="as told")


class PrometheusPlay(FalliblePlay):
    KIND = "prometheus"

    def gate(self) -> Json:
        return {
            "url": self.on.prometheus.url,
            "query": METRIC + '{pod=~"{{ pods }}"}',
            "condition": "< 0.1",
            "interval": "1s",
            "count": 2,
            "inconclusiveLimit": 1000,
        }

    async def passes(self, rollout: Rollout) -> None:
        self.on.exporter.set(METRIC, 0.0, pod=f"{NAME}-3")

    async def fails(self, rollout: Rollout) -> None:
        self.on.exporter.set(METRIC, 1.0, pod=f"{NAME}-3")


class JobPlay(FalliblePlay):
    KIND = "job"

    def gate(self) -> Json:
        told = {_EXIT_AFTER: "1h", _EXIT_CODE: "0"}
        containers = [{"name": "probe", "image": "probe:1"}]
        return {"template": {"template": {"metadata": {"annotations": told}, "spec": {"containers": containers}}}}

    async def begun(self, rollout: Rollout) -> None:
        await super().begun(rollout)
        await until(self._pods, lambda pods: len(pods) == 1)

    async def passes(self, rollout: Rollout) -> None:
        await self._end(0)

    async def fails(self, rollout: Rollout) -> None:
        await self._end(1)

    async def _end(self, code: int) -> None:
        (pod,) = await until(self._pods, lambda pods: len(pods) == 1)
        await self.on.scene.kubectl("annotate", "--overwrite", "pod", pod, f"{_EXIT_AFTER}=0s", f"{_EXIT_CODE}={code}")

    async def _pods(self) -> list[str]:
        found = await self.on.scene.kubectl("get", "pods", "--selector=rollwright.io/gate", "--output=json")
        return [pod["metadata"]["name"] for pod in json.loads(found)["items"]]


class HttpPlay(FalliblePlay):
    KIND = "http"

    def gate(self) -> Json:
        return {"url": f"http://127.0.0.1:{self.on.receiver.port}/gate", "interval": "1s", "inconclusiveLimit": 0}

    async def begun(self, rollout: Rollout) -> None:
        await super().begun(rollout)
        await until(self._asked, bool)

    async def _asked(self) -> int:
        return len(self.on.receiver.received)

    async def passes(self, rollout: Rollout) -> None:
        self.on.receiver.answer = partial(_answer, 204)

    async def fails(self, rollout: Rollout) -> None:
        self.on.receiver.answer = partial(_answer, 500)

    async def tells_nothing(self) -> None:
        """Have it inconclusive: nothing of that is tolerated."""
        self.on.receiver.answer = _breaks_off


async def _breaks_off(request: web.Request) -> web.Response:
    assert request.transport
    request.transport.abort()
    return web.Response()


class WindowPlay(Play):
    KIND = "window"

    def gate(self) -> Json:
        opens = datetime.now(UTC) + timedelta(hours=2)
        return {"schedule": f"{opens.minute} {opens.hour} * * *", "duration": "1h"}

    async def passes(self, rollout: Rollout) -> None:
        """Nobody can wait for it here."""
        await rollout.send(Message.PROMOTE, actor=CAPTAIN)


class CapacityPlay(Play):
    KIND = "capacity"

    def gate(self) -> Json:
        return {"groups": 1, "interval": "1s", "nodeSelector": {"gates": self.on.scene.namespace.name}}

    async def passes(self, rollout: Rollout) -> None:
        await self.on.scene.cluster.kubectl(
            "label", "--overwrite", "node", "gpu-00", f"gates={self.on.scene.namespace.name}"
        )


FALLIBLE: dict[str, type[FalliblePlay]] = {
    play.KIND: play for play in (BakePlay, ApprovalPlay, PrometheusPlay, JobPlay, HttpPlay)
}
PLAYS: dict[str, type[Play]] = {**FALLIBLE, WindowPlay.KIND: WindowPlay, CapacityPlay.KIND: CapacityPlay}


def written(play: Play, **common: Any) -> Json:
    """The gate, with what all gates have."""
    return {"kind": play.KIND, **play.gate(), **common}

"""Where the SDK tells its metrics: a port that is found free may be taken by the time it is listened at."""

from typing import Any

import pytest
from temporalio.runtime import Runtime

from rollwright.worker import sdk
from rollwright.worker.endpoints import EndpointError


def play(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    """Have the first ports be taken by others in between."""
    ports = iter(range(1, 100))

    def runtime(exporter: Any) -> str:
        if int(exporter.bind_address.rpartition(":")[2]) <= taken:
            raise ValueError("Failed starting Prometheus exporter: Address already in use")
        return "runtime"

    monkeypatch.setattr(sdk, "_free_port", lambda: next(ports))
    monkeypatch.setattr(sdk, "_runtime", runtime)
    monkeypatch.setattr(Runtime, "set_default", lambda *_, **__: None)


def test_another_port_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, taken=1)
    assert sdk.set_up(metrics=True)


def test_if_none_can_be_had_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, taken=99)
    with pytest.raises(EndpointError, match="finds no port"):
        sdk.set_up(metrics=True)

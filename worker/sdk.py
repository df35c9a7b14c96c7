"""Temporal's own part of what a worker tells: its core logs through Python, and its metrics are served on loopback.

The SDK serves metrics by itself, at an address of its own only; they are fetched from there when a worker is asked.
"""

import logging
import socket
from contextlib import suppress

import aiohttp
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from rollwright.worker.endpoints import EndpointError

_LOOPBACK = "127.0.0.1"
_TRIES = 3
_PATIENCE = aiohttp.ClientTimeout(total=5.0)


class SdkMetrics:
    """Where the SDK's metrics are."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{_LOOPBACK}:{port}/metrics"

    async def read(self) -> bytes:
        """As Prometheus reads them. Raises aiohttp.ClientError or TimeoutError."""
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE, trust_env=False) as session,
            session.get(self._url, raise_for_status=True) as answer,
        ):
            return await answer.read()


def set_up(*, metrics: bool) -> SdkMetrics | None:
    """To be called before anything connects to Temporal. Where its metrics are, if they are wanted.

    Raises EndpointError.
    """
    if not metrics:
        Runtime.set_default(_runtime(None), error_if_already_set=False)
        return None
    for _ in range(_TRIES):
        port = _free_port()
        exporter = PrometheusConfig(
            f"{_LOOPBACK}:{port}", counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
        )
        with suppress(ValueError):  # somebody has taken the port in between
            Runtime.set_default(_runtime(exporter), error_if_already_set=False)
            return SdkMetrics(port)
    raise EndpointError(f"Temporal's SDK finds no port on {_LOOPBACK} to tell its metrics at")


def _runtime(exporter: PrometheusConfig | None) -> Runtime:
    core = logging.getLogger("temporalio.core")
    return Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(
                TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=LogForwardingConfig(core)
            ),
            metrics=exporter,
            attach_service_name=False,
        )
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_LOOPBACK, 0))
        port: int = found.getsockname()[1]
        return port

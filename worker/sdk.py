"""Temporal's own part of what a worker tells: its core logs through Python, and its metrics are served on loopback.

The SDK serves metrics by itself, at an address of its own only; they are fetched from there when a worker is asked.
"""

import logging
import socket

import aiohttp
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

_LOOPBACK = "127.0.0.1"
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
    """To be called before anything connects to Temporal. Where its metrics are, if they are wanted."""
    port = _free_port() if metrics else 0
    exporter = PrometheusConfig(
        f"{_LOOPBACK}:{port}", counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    core = logging.getLogger("temporalio.core")
    telemetry = TelemetryConfig(
        logging=LoggingConfig(
            TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=LogForwardingConfig(core)
        ),
        metrics=exporter if metrics else None,
        attach_service_name=False,
    )
    Runtime.set_default(Runtime(telemetry=telemetry), error_if_already_set=False)
    return SdkMetrics(port) if metrics else None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_LOOPBACK, 0))
        port: int = found.getsockname()[1]
        return port

"""Traces by OpenTelemetry: switched on by its own environment variables, and not even imported without them.

A command, the workflow it starts or steers, and the activities of that are one trace: the SDK's plugin of each client
hands on which. Spans hold names, ids and what went wrong; nothing of what is sent.
"""

import functools
import os
import threading
from typing import TYPE_CHECKING

from temporalio.client import Plugin

if TYPE_CHECKING:
    from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_SERVICE = "rollwright"
_LAST_SECONDS = 2.0
"""So long a command waits at its end for what it has traced to be taken."""


def plugins() -> list[Plugin]:
    """What a client of Temporal is to be made with; the worker that is made with the client has it too."""
    if not _is_wanted():
        return []
    from temporalio.contrib.opentelemetry import OpenTelemetryPlugin  # noqa: PLC0415 - slow to import, and seldom wanted

    _provider()
    return [OpenTelemetryPlugin(add_temporal_spans=True)]


def flush() -> None:
    """Have all that was traced sent, if that is soon done: before a process ends without its interpreter's end."""
    if not _provider.cache_info().currsize:
        return
    sending = threading.Thread(target=_provider().force_flush, daemon=True)
    sending.start()
    sending.join(_LAST_SECONDS)


def _is_wanted() -> bool:
    """OTLP is the only exporter there is; asked for by name, it sends to its own default."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    return exporter == "otlp" if exporter else any(os.environ.get(name) for name in _ENDPOINTS)


@functools.cache
def _provider() -> "ReplaySafeTracerProvider":
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from temporalio.contrib.opentelemetry import create_tracer_provider  # noqa: PLC0415

    resource = Resource({SERVICE_NAME: _SERVICE}).merge(OTELResourceDetector().detect())
    provider = create_tracer_provider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider

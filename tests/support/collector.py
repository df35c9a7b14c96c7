"""A collector of OpenTelemetry traces on loopback, which keeps the spans that it gets over OTLP."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.receiver import receiver


class Span(NamedTuple):
    """One that has ended."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    """Empty if it is the first of its trace."""


class Collector:
    """What was received so far."""

    def __init__(self) -> None:
        self.endpoint = ""
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        self.spans: list[Span] = []

    async def spans_so_far(self) -> list[Span]:
        return self.spans

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {attribute.key: attribute.value.string_value for attribute in part.resource.attributes}
            for scope in part.scope_spans:
                self.spans += [
                    Span(
                        named["service.name"],
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                    )
                    for span in scope.spans
                ]
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    collecting = Collector()
    async with receiver() as receiving:
        receiving.answer = collecting.take
        collecting.endpoint = f"http://127.0.0.1:{receiving.port}"
        yield collecting

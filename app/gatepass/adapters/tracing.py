"""OpenTelemetry: one span for each request, by its route's template. Optional; what it needs is in the extra `otel`.

A span holds neither URL nor query nor header nor body, and no exception's text, so no secret can leave by it. It goes on
where a caller's `traceparent` says, and carries the request's id, as the log does.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepass import __version__
from gatepass.adapters import logs

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider


def tracing_is_installed() -> bool:
    """Whether the packages that send traces are here."""
    try:
        return (
            find_spec("opentelemetry.exporter.otlp.proto.http") is not None
            and find_spec("opentelemetry.sdk") is not None
        )
    except ModuleNotFoundError:
        return False


def exporter() -> TracerProvider:
    """What sends spans by OTLP over HTTP, in batches, where the standard `OTEL_` variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource({"service.name": "gatepass", "service.version": __version__})
    provider = TracerProvider(resource=named.merge(Resource.create()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing:
    """Wraps the whole application; spans go to *provider*."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        self.app = app
        self._tracer = provider.get_tracer("gatepass", __version__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        parent = propagate.extract(Headers(scope=scope))
        with self._tracer.start_as_current_span(
            "HTTP", context=parent, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                await self.app(scope, receive, noting)
            finally:
                if span.is_recording():
                    _describe(span, scope, status)


def _describe(span: trace.Span, scope: Scope, status: int) -> None:
    """By the semantic conventions for HTTP servers, without what a caller chose."""
    method = scope["method"] if scope["method"] in logs.METHODS else "OTHER"
    route = logs.route_of(scope)
    span.update_name(f"{method} {route}" if route else method)
    told: dict[str, Any] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status or None,
        "gatepass.request_id": logs.request_id(),
    }
    span.set_attributes({name: value for name, value in told.items() if value is not None})
    if status >= 500 or not status:
        span.set_status(StatusCode.ERROR)

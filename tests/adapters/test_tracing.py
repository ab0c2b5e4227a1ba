"""Traces, as a collector receives them: a span for each request, and nothing in it that a caller chose."""

from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

import commands
from gatepass.adapters import tracing
from gatepass.main import unfit
from harness import LOGIN, SECRET, USERINFO, settings
from postgres import free_port

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otel` is not installed")
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector of traces (OTLP over HTTP): where, and the bodies that came."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                bodies.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # closing waits for those who are still answering
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def spans_of(bodies: list[bytes]) -> list[Any]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    return [
        span
        for request in requests
        for of in request.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]


def test_a_request_is_a_span_that_holds_no_secret(
    tmp_path: Path, collector: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    where, bodies = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", where)
    given = {
        "secret_key": SECRET,
        "database_url": f"sqlite:///{tmp_path / 'served.db'}",
        "smtp_url": "smtp://127.0.0.1:9",
        "tracing": "true",
    }
    commands.run("migrate", "up", cwd=tmp_path, **given)
    port, secret = free_port(), "2f0d8f7e-54b7-4f0e-9d0d-6f3a2c1b0a99"
    with commands.serve(tmp_path, port, **given) as server:
        url = f"http://127.0.0.1:{port}"
        headers = {
            "traceparent": f"00-{TRACE}-{PARENT}-01",
            "x-request-id": "from-the-proxy",
            "authorization": f"Bearer {secret}",
        }
        httpx.get(f"{url}/sdk/auth/v2/session/reikey/{secret}?code={secret}", headers=headers)
        httpx.get(url + USERINFO, headers={"x-api-key": secret})
        httpx.post(f"{url}{LOGIN}?token={secret}", json={"email": secret})
        httpx.get(f"{url}/nowhere/{secret}")
        assert server.stop() == 0
    spans = spans_of(bodies)
    assert {span.name for span in spans} >= {
        "GET /sdk/auth/v2/session/reikey/{reikey}",
        f"GET {USERINFO}",
        f"POST {LOGIN}",
        "GET",
    }
    assert secret.encode() not in b"".join(bodies)
    assert {key.key for span in spans for key in span.attributes} == {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "gatepass.request_id",
    }
    (continued,) = [span for span in spans if span.trace_id.hex() == TRACE]
    assert continued.parent_span_id.hex() == PARENT
    assert {key.key: key.value.string_value for key in continued.attributes}["gatepass.request_id"] == "from-the-proxy"


async def test_a_mistake_of_ours_is_an_error_without_its_words() -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("the secret is 482193")

    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    with pytest.raises(RuntimeError):
        await tracing.Tracing(broken, provider)({"type": "http", "method": "GET", "headers": []}, None, None)  # type: ignore[arg-type]
    (span,) = memory.get_finished_spans()
    assert span.status.status_code.name == "ERROR"
    assert "482193" not in span.to_json()


def test_without_its_packages_the_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    on = settings("sqlite:///x.db", smtp_url="smtp://localhost", tracing=True)
    assert unfit(on) == []
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    assert unfit(on) == ["GATEPASS_TRACING is on, and its packages are missing: pip install 'gatepass[otel]'"]

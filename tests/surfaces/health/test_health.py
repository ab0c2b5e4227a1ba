"""Live and ready: a failing part is named, in bounded time, and nothing private is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from gatepass.adapters import migrations
from gatepass.adapters.database import Database
from gatepass.adapters.logs import AccessLog
from gatepass.main import create_app
from harness import LOGIN, Server, settings
from postgres import Cluster, free_port

HEALTHY = {"status": "ready", "database": "ok", "schema": "ok", "signing_key": "ok", "outbox": "ok", "outbox_age": 0}


@asynccontextmanager
async def client_of(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server whose database may be in any state."""
    app = create_app(settings(database_url), worker=False)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepass.test") as client:
        yield client
    await app.state.runtime.close()


async def readiness(database_url: str) -> tuple[int, dict[str, Any]]:
    async with client_of(database_url) as client:
        answer = await client.get("/readyz")
    for private in ("127.0.0.1", "gatepass-password", "nowhere", "sqlite"):
        assert private not in answer.text
    return answer.status_code, answer.json()


async def test_a_healthy_server_is_live_and_ready(server: Server) -> None:
    live = await server.client.get("/livez")
    assert (live.status_code, live.json(), live.headers["cache-control"]) == (200, {"status": "live"}, "no-store")
    ready = await server.client.get("/readyz")
    assert (ready.status_code, ready.json(), ready.headers["cache-control"]) == (200, HEALTHY, "no-store")


async def test_a_mail_that_does_not_leave_is_told_and_takes_no_process_out_of_rotation(server: Server) -> None:
    await server.post(LOGIN, {"email": "ada@example.com"})
    server.clock.advance(seconds=299)
    assert (await server.client.get("/readyz")).json() == {**HEALTHY, "outbox_age": 299}
    server.clock.advance(seconds=2)
    stuck = await server.client.get("/readyz")
    assert stuck.status_code == 200
    assert stuck.json() == {
        **HEALTHY,
        "status": "degraded",
        "outbox": "stuck: no mail leaves",
        "outbox_age": 301,
    }
    server.clock.advance(seconds=600)
    assert (await server.client.get("/readyz")).json() == HEALTHY


async def test_a_database_that_is_down_is_named_and_the_process_stays_live() -> None:
    url = f"postgresql://gatepass:gatepass-password@127.0.0.1:{free_port()}/nowhere"
    status, body = await readiness(url)
    assert (status, body["status"], body["database"]) == (503, "not ready", "down: out of reach")
    async with client_of(url) as client:
        assert (await client.get("/livez")).status_code == 200


async def test_a_database_that_does_not_exist_is_named(postgres: Cluster) -> None:
    url = postgres.create_database("health_gone").replace("health_gone", "nowhere")
    status, body = await readiness(url)
    assert (status, body["database"]) == (503, "down: it refuses us; the log says why")


async def test_a_database_that_hangs_is_named_within_its_patience() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, client_of(f"postgresql://gatepass:gatepass-password@127.0.0.1:{port}/nowhere") as client:
        started = monotonic()
        answer = await client.get("/readyz")
        took = monotonic() - started
    assert answer.status_code == 503
    assert answer.json()["database"] == "hanging: no answer in 2 s"
    assert took < 4


async def test_a_stale_schema_is_named_until_it_is_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    status, body = await readiness(url)
    assert (status, body["schema"], body["database"]) == (503, "stale: run gatepass migrate up", "ok")
    database = Database(url)
    await migrations.up(database)
    await database.dispose()
    assert await readiness(url) == (200, HEALTHY)


async def test_a_schema_of_a_newer_build_keeps_the_older_one_serving_through_a_rolling_deploy(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'newer.db'}"
    database = Database(url)
    await migrations.up(database)
    async with database.engine.connect() as db:
        await db.execute(text("UPDATE alembic_version SET version_num = 'from-the-future'"))
        await db.commit()
    await database.dispose()
    assert await readiness(url) == (200, HEALTHY)


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [("GET", "/nonsense", 404, "Not Found"), ("POST", "/livez", 405, "Method Not Allowed")],
)
async def test_outside_every_dialect_a_refusal_is_plain(
    sqlite_server: Server, method: str, path: str, status: int, title: str
) -> None:
    answer = await sqlite_server.client.request(method, path, content=json.dumps({"canary": 1}))
    assert (answer.status_code, answer.json()) == (status, {"status": status, "title": title})
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/livez",
        "/readyz",
        "/docs",
        "/openapi.json",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.well-known/revocations",
    ],
)
async def test_who_asks_for_the_head_of_a_document_gets_it(server: Server, path: str) -> None:
    whole, head = await server.client.get(path), await server.client.head(path)
    assert head.status_code == whole.status_code
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert head.headers.get("etag") == whole.headers.get("etag")


@pytest.mark.parametrize(
    "path", ["/sdk/v2/userinfo", "/sdk/auth/v2/account/reikey", "/v2/user/", "/metrics", "/console/"]
)
async def test_elsewhere_head_does_nothing(server: Server, path: str) -> None:
    assert (await server.client.head(path)).status_code in (404, 405)


async def test_the_head_of_a_document_counts_under_its_route(server: Server) -> None:
    answered: list[tuple[str, str | None, int]] = []
    app = AccessLog(server.app, answered=lambda method, route, status, _: answered.append((method, route, status)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gatepass.test") as client:
        await client.head("/livez")
    assert answered == [("HEAD", "/livez", 200)]

"""What every Elixir answer looks like (contract elixir, sections 2, 3 and 6).

`watch` lets a server's client check the invariants I1 to I7 on each answer it gets, so that every story of this folder
proves them on its own paths and statuses.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from gatepass.adapters import migrations
from gatepass.adapters.database import Database
from gatepass.core import users
from gatepass.core.users import User
from harness import Server, serve

CATALOGUE: dict[int | str, tuple[int, frozenset[str | None]]] = {
    1000: (400, frozenset({"Invalid Credentials!", "Not an activable reikey"})),
    1001: (400, frozenset({"Invalid API Key"})),
    "INVALID_REFRESH_TOKEN": (400, frozenset({None})),
    1100: (400, frozenset({"Invalid request body", "Invalid email"})),
    1110: (400, frozenset({"Code expired"})),
    1111: (400, frozenset({"Too many attempts"})),
    1130: (400, frozenset({"Account suspended"})),
    1140: (429, frozenset({"Too many requests"})),
    1150: (404, frozenset({"Not found"})),
    1151: (405, frozenset({"Method not allowed"})),
    1152: (413, frozenset({"Payload too large"})),
    1190: (500, frozenset({"Internal error"})),
    1191: (503, frozenset({"Temporarily unavailable"})),
}
"""Section 6: of each `error.code` its HTTP status and the messages it may have."""


async def keeps_the_contract(answer: httpx.Response) -> None:
    """I1 to I7 and section 2, for one answer to any request under `/sdk`."""
    if not answer.request.url.path.startswith("/sdk"):
        return
    await answer.aread()
    headers = answer.headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert answer.status_code == 200 or answer.status_code >= 400, "no redirect, no 201, 202 or 204"
    if answer.request.method == "HEAD":
        assert answer.status_code == 405
        return
    envelope = json.loads(answer.content.decode("utf-8"), parse_float=_no_fraction)
    if answer.status_code == 200:
        assert list(envelope) == ["code", "success", "data"]
        assert (envelope["code"], envelope["success"]) == (1, True)
        return
    assert list(envelope) == ["code", "success", "error"]
    assert (envelope["code"], envelope["success"]) == (-1, False)
    error = envelope["error"]
    status, messages = CATALOGUE[error["code"]]
    assert error["status"] == answer.status_code == status
    assert error.get("message") in messages
    members = {"status", "code"} if None in messages else {"status", "code", "message"}
    assert error.keys() == (members | {"banReason"} if error["code"] == 1130 else members)
    assert ("retry-after" in headers) is (status in (429, 503))
    assert ("allow" in headers) is (status == 405)


def _no_fraction(text: str) -> None:
    raise AssertionError(f"{text} is no plain integer")


def watch(server: Server) -> Server:
    """The same server, its client checking every answer."""
    server.client.event_hooks["response"] = [keeps_the_contract]
    return server


@asynccontextmanager
async def serve_elixir(database_url: str, **given: Any) -> AsyncIterator[Server]:
    """A watched server with the settings *given*."""
    async with serve(database_url, **given) as running:
        yield watch(running)


@asynccontextmanager
async def serve_scratch(directory: Path) -> AsyncIterator[tuple[Server, Callable[..., None]]]:
    """A watched server on a database of its own, and a call that drops tables under it."""
    path = directory / "scratch.db"
    scratch = Database(f"sqlite:///{path}")
    await migrations.up(scratch)
    await scratch.dispose()

    def drop(*names: str) -> None:
        with closing(sqlite3.connect(path)) as connection:
            for name in names:
                connection.execute(f"DROP TABLE {name}")

    async with serve_elixir(f"sqlite:///{path}") as running:
        yield running, drop


@asynccontextmanager
async def calling_from(server: Server, address: str) -> AsyncIterator[Server]:
    """The same server as a client at another *address* sees it."""
    transport = httpx.ASGITransport(server.app, raise_app_exceptions=False, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepass.test") as client:
        yield watch(replace(server, client=client))


def data_of(answer: httpx.Response) -> dict[str, Any]:
    """What a 200 carries."""
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def code_of(answer: httpx.Response) -> int | str:
    """What a refusal is called."""
    assert answer.status_code >= 400, answer.text
    code: int | str = answer.json()["error"]["code"]
    return code


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The whole of a refusal."""
    assert answer.status_code >= 400, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


def another(code: str, by: int = 1) -> str:
    """A code of the same length that is not *code*."""
    return f"{(int(code) + by) % 10 ** len(code):0{len(code)}d}"


async def ban(server: Server, user_id: str, reason: str = "cheating") -> None:
    """Suspend an account."""
    await server.runtime.transact(lambda unit: users.ban(unit, server.team.id, UUID(user_id), reason))


async def unban(server: Server, user_id: str) -> None:
    """Let it sign in again."""
    await server.runtime.transact(lambda unit: users.unban(unit, server.team.id, UUID(user_id)))


async def change_user(server: Server, user_id: str, **changes: object) -> User:
    """Set members of an account."""
    return await server.runtime.transact(lambda unit: users.change(unit, server.team.id, UUID(user_id), **changes))

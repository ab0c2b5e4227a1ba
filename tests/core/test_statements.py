"""What each verb costs: statements between begin and commit. A new one must be meant, and is written down here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from gatepass.core import access_tokens, api_keys, otp, qr, rotation, sessions, sign_in, users
from gatepass.core.addresses import Address
from gatepass.core.api_keys import App
from gatepass.core.sessions import Cause, Device, Proof
from gatepass.core.unit import Unit
from harness import Server, serve
from life import Life, begin

KEY = ["SELECT api_keys"]
LIMIT = ["INSERT limits"]
AUDIT = ["INSERT audit_events"]
OPEN = ["INSERT sessions", *AUDIT]

COSTS: dict[str, list[str]] = {
    "api key": KEY,
    "rotate": ["UPDATE sessions"],
    "rotate: parent inside the window": ["UPDATE sessions", "SELECT sessions", "SELECT sessions"],
    "rotate: lost answer": ["UPDATE sessions", "SELECT sessions", "UPDATE sessions", *AUDIT],
    "rotate: reuse": ["UPDATE sessions", "SELECT sessions", "UPDATE sessions", *AUDIT],
    "rotate: ended": ["UPDATE sessions", "SELECT sessions"],
    "open": ["SELECT users", *OPEN],
    "end": ["UPDATE sessions", *AUDIT],
    "bearer": ["SELECT sessions"],
    "otp request": ["SELECT users", *LIMIT, "INSERT otp_transactions", "INSERT outbox"],
    "otp verify": [
        "UPDATE otp_transactions",
        "SELECT known_clients",
        *LIMIT,
        "UPDATE limits",
        "UPDATE otp_transactions",
        "INSERT users",
        *OPEN,
        "INSERT known_clients",
    ],
    "otp verify: first": [
        "UPDATE otp_transactions",
        "SELECT known_clients",
        *LIMIT,
        "UPDATE limits",
        "UPDATE otp_transactions",
        "INSERT users",
        *AUDIT,
        *OPEN,
        "INSERT known_clients",
    ],
    "otp verify: wrong": ["UPDATE otp_transactions", "SELECT known_clients", *LIMIT],
    "qr show": ["SELECT sessions", "UPDATE qr_codes", "INSERT qr_codes", *AUDIT],
    "qr scan": [
        *LIMIT,
        "UPDATE qr_codes",
        "UPDATE limits",
        "SELECT users",
        "SELECT sessions",
        *OPEN,
        "UPDATE qr_codes",
        "SELECT known_clients",
        "INSERT known_clients",
    ],
    "ban": ["SELECT users", "UPDATE users", "UPDATE sessions", *AUDIT, *AUDIT],
}


@contextmanager
def counted(server: Server) -> Iterator[list[str]]:
    """Every statement of the server's engine: what it does, to which table."""
    seen: list[str] = []

    def note(_db: Any, _cursor: Any, statement: str, *_: Any) -> None:
        words = statement.replace('"', "").split()
        if words[0] not in ("BEGIN", "PRAGMA"):
            before = {"SELECT": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE"}[words[0]]
            found = [table for word, table in pairwise(words) if word == before]
            seen.append(f"{words[0]} {found[-1] if words[0] == 'SELECT' else found[0]}")

    engine = server.runtime.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


class Costs:
    """Runs verbs one transaction each and writes down what they cost."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.found: dict[str, list[str]] = {}

    async def of(self, name: str, work: Callable[[Unit], Awaitable[Any]], *, refused: bool = False) -> Any:
        with counted(self.server) as seen:
            result = None
            if refused:
                with pytest.raises(Exception):  # noqa: B017 -- which refusal is told by other tests
                    await self.server.runtime.transact(work)
            else:
                result = await self.server.runtime.transact(work)
        self.found[name] = seen
        return result


async def test_every_verb_costs_what_is_written_down(database_url: str) -> None:
    rates = {"limit_wrong_codes_per_client": "100/hour", "limit_codes_per_address": "100/hour"}
    async with serve(database_url, **rates) as server:
        costs = Costs(server)
        app: App = await costs.of("api key", lambda unit: api_keys.authenticate_app(unit, server.development_key))
        await _rotations(costs, await begin(server))
        await _codes(costs, app)
        await _others(costs, app, await begin(server, email="eve@example.com"))
    assert costs.found == COSTS


async def _rotations(costs: Costs, life: Life) -> None:
    def rotate(generation: int) -> Callable[[Unit], Awaitable[Any]]:
        return lambda unit: rotation.rotate(unit, life.token(generation), life.audience)

    await costs.of("rotate", rotate(0))
    await costs.of("rotate: parent inside the window", rotate(0))
    life.wait(60)
    await costs.of("rotate: lost answer", rotate(0))
    await life.use(await life.refresh(0))
    life.wait(60)
    await costs.of("rotate: reuse", rotate(0), refused=True)
    await costs.of("rotate: ended", rotate(1), refused=True)


async def _codes(costs: Costs, app: App) -> None:
    address = Address.parse("bob@example.com")

    async def ask() -> otp.Requested:
        requested: otp.Requested = await costs.of("otp request", lambda unit: otp.request(unit, app, address))
        return requested

    async def verify(name: str, requested: otp.Requested, code: str, **how: bool) -> None:
        transaction = str(requested.transaction_id)
        await costs.of(name, lambda unit: otp.verify(unit, app, transaction, code, device=Device()), **how)

    first, second = await ask(), await ask()
    await verify("otp verify: first", first, first.code or "")
    wrong = f"{(int(second.code or 0) + 1) % 10**6:06d}"
    await verify("otp verify: wrong", second, wrong, refused=True)
    await verify("otp verify", second, second.code or "")


async def _others(costs: Costs, app: App, life: Life) -> None:
    user_id: UUID = life.user.id
    text = costs.server.runtime.signer.elixir(life.opened).text

    async def authenticate(unit: Unit) -> access_tokens.Bearer:
        return await access_tokens.authenticate(unit, text, app)

    bearer = await costs.of("bearer", authenticate)
    shown = await costs.of("qr show", lambda unit: qr.show(unit, bearer.session))
    await costs.of("qr scan", lambda unit: qr.scan(unit, app, str(shown.value), device=Device()))
    opened = await costs.of("open", lambda unit: sign_in.open_session(unit, user_id, life.audience, Proof.OTP))
    await costs.of("end", lambda unit: sessions.end(unit, opened.session_id, Cause.ADMIN))
    await life.end()
    await costs.of("ban", lambda unit: users.ban(unit, life.user.team_id, user_id))

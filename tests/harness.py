"""A server in this process, under a manual clock, with one team: what most tests talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import delete, event

from gatepass.adapters.clock import ManualClock
from gatepass.adapters.hot.sqlite import Sqlite
from gatepass.adapters.worker import Worker
from gatepass.core import api_keys, inbox, outbox, teams
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.main import create_app
from gatepass.settings import Settings
from gatepass.wiring import Runtime

SECRET = "a-secret-for-tests-0123456789abcdefghijkl"
ADMIN_TOKEN = "an-admin-token-for-tests-0123456789"

LOGIN = "/sdk/auth/v2/signin/otp-login"
VERIFY = "/sdk/auth/v2/signin/otp-verify"
QR_VERIFY = "/sdk/auth/v2/signin/qr-verify"
REFRESH = "/sdk/auth/v2/session/refresh"
SIGN_OUT = "/sdk/auth/v2/session/signout"
USERINFO = "/sdk/v2/userinfo"
REIKEY = "/sdk/auth/v2/dev/reikey"
ACCOUNT_QR = "/sdk/auth/v2/account/qr"

NO_LIMITS: dict[str, Any] = {
    "code_cooldown": 0,
    "limit_login_per_client": "off",
    "limit_wrong_codes_per_client": "off",
    "limit_codes_per_address": "off",
    "limit_codes_per_client_and_address": "off",
    "limit_wrong_codes_per_address": "off",
    "limit_invalid_refresh_per_client": "off",
    "limit_token_endpoint_per_client": "off",
}


def settings(database_url: str, **given: Any) -> Settings:
    """Settings for a test: limits off unless *given*, no environment, no `.env`."""
    return Settings(
        _env_file=None,
        **{
            "secret_key": SECRET,
            "database_url": database_url,
            "admin_token": ADMIN_TOKEN,
            "expose_user_code": True,
            **NO_LIMITS,
            **given,
        },
    )


@dataclass
class Phone:
    """One device signed in over Elixir: its last token bundle, and the calls it makes."""

    server: Server
    key: str
    bundle: dict[str, Any]

    @property
    def bearer(self) -> dict[str, str]:
        return {"x-api-key": self.key, "authorization": f"Bearer {self.bundle['token']}"}

    @property
    def refresh_token(self) -> str:
        token: str = self.bundle["refreshToken"]
        return token

    async def refresh(self, token: str | None = None) -> httpx.Response:
        """Refresh with *token*, by default the last one received, and keep what comes back."""
        answer = await self.server.post(REFRESH, {"refreshToken": token or self.refresh_token}, key=self.key)
        if answer.status_code == 200:
            self.bundle = answer.json()["data"]
        return answer

    async def userinfo(self) -> httpx.Response:
        """S1, which also proves that the last bundle arrived."""
        return await self.server.client.get(USERINFO, headers=self.bearer)

    async def sign_out(self) -> httpx.Response:
        """E4."""
        return await self.server.client.post(SIGN_OUT, headers=self.bearer, json={})


@dataclass
class Server:
    """A running application and what a test needs to know about it."""

    app: FastAPI
    runtime: Runtime
    client: httpx.AsyncClient
    clock: ManualClock
    team: Team
    development_key: str
    production_key: str

    @property
    def admin(self) -> dict[str, str]:
        return {"authorization": f"Bearer {ADMIN_TOKEN}"}

    async def post(self, path: str, body: Any = None, *, key: str | None = None, **more: Any) -> httpx.Response:
        """POST JSON with the development key, or *key*."""
        headers = {"x-api-key": key or self.development_key, **more.pop("headers", {})}
        return await self.client.post(path, json=body, headers=headers, **more)

    async def ask_for_code(self, email: str, *, key: str | None = None) -> dict[str, Any]:
        """E1; the answer's data. With the development key it holds the code."""
        answer = await self.post(LOGIN, {"email": email}, key=key)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def sign_in(self, email: str = "ada@example.com", **device: str) -> Phone:
        """E1 and E2 with the development key."""
        asked = await self.ask_for_code(email)
        body = {"transactionId": asked["transactionId"], "code": asked["userCode"], **device}
        answer = await self.post(VERIFY, body)
        assert answer.status_code == 200, answer.text
        return Phone(self, self.development_key, answer.json()["data"])

    async def deliver(self) -> list[inbox.Message]:
        """Let the worker deliver what is due; this team's inbox."""
        worker = Worker(self.runtime.transact, self.app.state.postman, self.runtime.outbox_waits)
        while await worker.drain():
            pass
        return await self.runtime.read(lambda unit: inbox.list_messages(unit, self.team.id))

    async def new_team(self, name: str = "Acme") -> tuple[Team, str, str]:
        """A team with a development and a production key."""

        async def make(unit: Unit) -> tuple[Team, str, str]:
            team = await teams.create(unit, name)
            development = await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.DEVELOPMENT)
            production = await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.PRODUCTION)
            return team, development.text, production.text

        return await self.runtime.transact(make)


@asynccontextmanager
async def serve(database_url: str, *, clock: ManualClock | None = None, **given: Any) -> AsyncIterator[Server]:
    """A server on a migrated database, its worker off (`Server.deliver` drains by hand), with a fresh team."""
    async with AsyncExitStack() as stack:
        app = await _assemble(stack, database_url, clock or ManualClock(), **given)
        yield await stack.enter_async_context(_connected(app))


class Lending:
    """Servers with the ordinary settings, lent to one test after the other: what is assembled, compiled and connected
    for one serves all. A borrower gets a team and a clock of its own, and a server that remembers nothing.
    """

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._idle: dict[str, FastAPI] = {}

    @asynccontextmanager
    async def lend(self, database_url: str) -> AsyncIterator[Server]:
        """A server on a migrated database, as `serve` has it."""
        app = self._idle.pop(database_url, None) or await _assemble(self._stack, database_url, ManualClock())
        app.state.runtime.clock.advance(ms=ManualClock().now() - app.state.runtime.clock.now())
        app.state.runtime.forget()
        await app.state.runtime.transact(_empty_the_outbox)
        async with _connected(app) as server:
            yield server
        self._idle[database_url] = app


async def _empty_the_outbox(unit: Unit) -> None:
    """Mails that earlier tests did not wait for would leave at the next delivery, one by one."""
    await unit.db.execute(delete(outbox.outbox))


async def _assemble(stack: AsyncExitStack, database_url: str, clock: ManualClock, **given: Any) -> FastAPI:
    """An application that *stack* shuts down."""
    app = create_app(settings(database_url, **given), clock=clock, worker=False)
    await stack.enter_async_context(app.router.lifespan_context(app))
    return app


@asynccontextmanager
async def _connected(app: FastAPI) -> AsyncIterator[Server]:
    """A client of *app*, and a fresh team."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.1", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepass.test") as client:
        runtime = app.state.runtime
        server = Server(app, runtime, client, runtime.clock, None, "", "")  # type: ignore[arg-type]
        server.team, server.development_key, server.production_key = await server.new_team()
        yield server


@contextmanager
def statements(server: Server) -> Iterator[list[str]]:
    """The SQL that runs meanwhile: through the pool, and the shared statements (of SQLite's, the first words)."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    engine = server.runtime.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        with _shared_statements(server.runtime.hot._driver, seen):
            yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


@contextmanager
def _shared_statements(driver: Any, seen: list[str]) -> Iterator[None]:
    if isinstance(driver, Sqlite):
        connections = [one for one in (driver._reader, driver._writer._connection) if one is not None]
        for connection in connections:
            connection.set_trace_callback(lambda statement: seen.append(" ".join(statement.split()[:4])))
        yield
        for connection in connections:
            connection.set_trace_callback(None)
        return
    fetch = driver._fetch

    async def noting(statement: str, *given: object) -> Any:
        seen.append(statement)
        return await fetch(statement, *given)

    driver._fetch = noting
    yield
    del driver._fetch

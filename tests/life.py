"""One session seen from the core: every token it ever had, what each of them gets, and the row behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from gatepass.adapters.database import Database
from gatepass.core import access_tokens, api_keys, audit, rotation, sessions, sign_in, users
from gatepass.core.access_tokens import Bearer
from gatepass.core.addresses import Address
from gatepass.core.audit import Event
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.sessions import Audience, Cause, Grant, Proof, Session, Surface
from gatepass.core.unit import Caller, Unit
from gatepass.core.users import User
from harness import Server


@dataclass
class Life:
    """A session, its user and the server they live on."""

    server: Server
    user: User
    opened: Grant
    audience: Audience

    @property
    def id(self) -> UUID:
        return self.opened.session_id

    def token(self, generation: int) -> str:
        """The refresh token of that generation, past or future: they are all determined."""
        return RefreshToken(self.id, generation).hex(self.server.runtime.secret)

    async def refresh(self, generation: int, *, audience: Audience | None = None, hung_up: bool = False) -> Grant:
        """Present the token of *generation*, as a caller who may have hung up by then."""

        async def gone() -> bool:
            return hung_up

        return await self.server.runtime.transact(
            lambda unit: rotation.rotate(unit, self.token(generation), audience or self.audience),
            caller=Caller("192.0.2.1", hung_up=gone),
        )

    async def use(self, grant: Grant) -> Bearer:
        """Call an endpoint with the access token of *grant*."""
        text = self.server.runtime.signer.elixir(grant).text

        async def work(unit: Unit) -> Bearer:
            app = await api_keys.authenticate_app(unit, self.server.development_key)
            return await access_tokens.authenticate(unit, text, app)

        return await self.server.runtime.read(work)

    async def end(self, cause: Cause = Cause.SIGNED_OUT) -> None:
        await self.server.runtime.transact(lambda unit: sessions.end(unit, self.id, cause))

    async def ban(self, reason: str = "") -> None:
        await self.server.runtime.transact(lambda unit: users.ban(unit, self.user.team_id, self.user.id, reason))

    async def unban(self) -> None:
        await self.server.runtime.transact(lambda unit: users.unban(unit, self.user.team_id, self.user.id))

    async def row(self) -> Session:
        """The session as it is stored now."""
        return await self.server.runtime.read(lambda unit: sessions.get(unit, self.id))

    async def put(self, **columns: object) -> None:
        """Set columns of the row: states that only another feature or a restored backup brings about."""

        async def work(unit: Unit) -> None:
            await unit.db.execute(update(sessions.sessions).where(sessions.sessions.c.id == self.id).values(columns))

        await self.server.runtime.transact(work)

    async def events(self) -> list[tuple[Event, dict[str, object]]]:
        """What was recorded about the session after it was opened, oldest first."""
        found = await self.server.runtime.read(lambda unit: audit.list_events(unit, audit.Filter(session_id=self.id)))
        return [(event.event, event.detail) for event in reversed(found)][1:]

    def wait(self, seconds: float) -> None:
        self.server.clock.advance(seconds=seconds)


async def begin(server: Server, *, email: str = "ada@example.com", surface: Surface = Surface.ELIXIR) -> Life:
    """A user of the server's team with one open session."""
    audience = Audience(surface, server.team.id, "development")

    async def work(unit: Unit) -> tuple[User, Grant]:
        user, _ = await users.prove_address(unit, server.team.id, Address.parse(email))
        return user, await sign_in.open_session(unit, user.id, audience, Proof.OTP)

    user, opened = await server.runtime.transact(work)
    return Life(server, user, opened, audience)


@asynccontextmanager
async def held(server: Server, session_id: UUID) -> AsyncIterator[None]:
    """Another process holds the session's row, and on SQLite all writing, until the block ends."""
    elsewhere = Database(server.runtime.settings.database_url.get_secret_value())
    try:
        async with elsewhere.engine.connect() as db:
            await db.execution_options(gatepass_writes=True)
            await db.execute(select(sessions.sessions).where(sessions.sessions.c.id == session_id).with_for_update())
            yield
    finally:
        await elsewhere.dispose()

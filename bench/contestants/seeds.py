"""State made directly in Gatepass' database, with its own core: what a year of sign-ins would have left there.

One user and one session are opened through the core's one door; all others are copies of those rows under ids of their
own, so that a million of them take seconds. Tokens are spelled and signed by the core as the server would.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from machine import ROOT

sys.path.insert(0, str(ROOT / "app"))

from sqlalchemy import Table, insert, select

from gatepass.adapters import migrations
from gatepass.core import api_keys, sign_in, sign_in_jwt, sign_in_tokens, teams, users
from gatepass.core.addresses import Address
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.sessions import Audience, Grant, Proof, Surface, sessions
from gatepass.core.sign_in_jwt import Issued
from gatepass.core.signing_keys import Ring
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.settings import Settings
from gatepass.wiring import Runtime

AT_ONCE = 1_000
"""Rows per transaction."""


@dataclass
class Seeded:
    """A migrated database with a team, and the runtime that writes there as the server will."""

    runtime: Runtime
    team: Team
    development_key: str
    secret_key: str

    def audience(self, surface: Surface) -> Audience:
        team = self.team
        environment = Environment.DEVELOPMENT if surface is Surface.ELIXIR else team.environment
        return Audience(surface, team.id, environment.value, team.region)

    def refresh_token(self, grant: Grant) -> str:
        token = RefreshToken(grant.session_id, grant.generation)
        spell = token.hex if grant.surface is Surface.ELIXIR else token.jrt
        return spell(self.runtime.secret)

    async def access_token(self, grant: Grant) -> str:
        if grant.surface is Surface.ELIXIR:
            return self.runtime.signer.elixir(grant).text
        return self.runtime.signer.junction(grant, await self.runtime.keyring.signer(Ring.ACCESS)).text


async def seed(settings: Settings) -> Seeded:
    """Migrate the database and make a team with its keys."""
    runtime = Runtime(settings)
    await migrations.up(runtime.database)

    async def work(unit: Unit) -> Seeded:
        team = await teams.create(unit, "Bench")
        development = await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.DEVELOPMENT)
        secret = await api_keys.create(unit, team.id, Kind.SECRET)
        return Seeded(runtime, team, development.text, secret.text)

    seeded = await runtime.transact(work)
    for ring, scope in ((Ring.ACCESS, None), (Ring.SIGN_IN, seeded.team.id)):
        await (runtime.keyring.signer(ring) if scope is None else runtime.keyring.signer(ring, scope))
    return seeded


async def signed_in(seeded: Seeded, count: int, surface: Surface) -> list[Grant]:
    """*count* users with one open session each; what each session hands out now."""
    audience = seeded.audience(surface)
    proof = Proof.OTP if surface is Surface.ELIXIR else Proof.SIGN_IN_TOKEN

    async def first(unit: Unit) -> tuple[Grant, dict[str, Any], dict[str, Any]]:
        name = f"first-{unit.mint.bytes(6).hex()}@example.com"
        user = await users.create(unit, seeded.team.id, address=Address.parse(name), email_verified=True)
        grant = await sign_in.open_session(unit, user.id, audience, proof)
        return grant, await _row(unit, users.users, user.id), await _row(unit, sessions, grant.session_id)

    grant, user_row, session_row = await seeded.runtime.transact(first)
    grants = []
    for share in _shares(count):

        async def copy(unit: Unit, share: int = share) -> list[Grant]:
            copied = [
                grant._replace(session_id=unit.mint.uuid7(unit.now), user_id=unit.mint.uuid4()) for _ in range(share)
            ]
            people = [
                {**user_row, "id": one.user_id, "email": (name := f"{one.user_id}@example.com"), "email_identity": name}
                for one in copied
            ]
            lives = [{**session_row, "id": one.session_id, "user_id": one.user_id} for one in copied]
            await unit.db.execute(insert(users.users), people)
            await unit.db.execute(insert(sessions), lives)
            return copied

        grants += await seeded.runtime.transact(copy)
    return grants


async def vouched_for(seeded: Seeded, count: int) -> list[str]:
    """*count* sign-in tokens, recorded and signed, each for a user of its own."""
    grants = await signed_in(seeded, count, Surface.JUNCTION)
    key = await seeded.runtime.keyring.signer(Ring.SIGN_IN, seeded.team.id)

    async def first(unit: Unit) -> tuple[Issued, dict[str, Any]]:
        issued = await sign_in_tokens.issue(unit, seeded.team, grants[0].user_id, key_id=None)
        table = sign_in_tokens.sign_in_tokens
        row = (await unit.db.execute(select(table).where(table.c.jti == issued.claims["jti"]))).one()
        return issued, dict(row._mapping)

    issued, recorded = await seeded.runtime.transact(first)
    tokens: list[str] = []
    for start in range(0, count, AT_ONCE):
        people = [grant.user_id for grant in grants[start : start + AT_ONCE]]
        mint = seeded.runtime.mint
        copies = [
            replace(issued, claims={**issued.claims, "jti": mint.alphanumeric(24), "uid": str(user_id)})
            for user_id in people
        ]
        rows = [
            {**recorded, "jti": one.claims["jti"], "user_id": user_id}
            for one, user_id in zip(copies, people, strict=True)
        ]
        await seeded.runtime.transact(partial(_insert, table=sign_in_tokens.sign_in_tokens, rows=rows))
        tokens += [sign_in_jwt.sign(one, key) for one in copies]
    return tokens


async def _insert(unit: Unit, *, table: Table, rows: list[dict[str, Any]]) -> None:
    await unit.db.execute(insert(table), rows)


async def _row(unit: Unit, table: Table, row_id: UUID) -> dict[str, Any]:
    return dict((await unit.db.execute(select(table).where(table.c.id == row_id))).one()._mapping)


def _shares(count: int) -> Iterator[int]:
    while count > 0:
        yield min(count, AT_ONCE)
        count -= AT_ONCE


def run(work: Any) -> Any:
    """Run one of the above from code that is not asynchronous."""
    return asyncio.run(work)

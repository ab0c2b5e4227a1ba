"""The list of who died while their access tokens may still live."""

from __future__ import annotations

from itertools import count
from uuid import UUID

import pytest
from sqlalchemy import text

from backend import Backend, new_backend
from gatepass.core import revocations, sessions, teams, user_deletion, users
from gatepass.core.revocations import Revocations
from gatepass.core.schema import MINUTE, SECOND
from gatepass.core.sessions import Cause
from harness import Server

WINDOW = 3600 + 60 + 2
"""Seconds: the life of a token, its leeway, and the rounding."""


_days = count(3_000)


@pytest.fixture
async def backend(server: Server) -> Backend:
    """On a day of its own, far from any death of another test."""
    server.clock.advance(seconds=next(_days) * 86_400)
    return await new_backend(server)


async def recent(backend: Backend) -> Revocations:
    return await backend.server.runtime.read(revocations.recent)


async def test_nobody_died(backend: Backend) -> None:
    await backend.sign_in()
    found = await recent(backend)
    assert (found.sessions, found.users, found.teams, found.complete) == ((), {}, {}, True)
    assert found.since == backend.server.clock.now() - WINDOW * SECOND


@pytest.mark.parametrize("cause", [Cause.SIGNED_OUT, Cause.REUSE, Cause.ADMIN])
async def test_a_session_is_listed_until_its_last_token_has_died(backend: Backend, cause: Cause) -> None:
    app = await backend.sign_in()
    session = await app.session()
    await backend.server.runtime.transact(lambda unit: sessions.end(unit, session.id, cause))
    backend.server.clock.advance(seconds=WINDOW)
    assert (await recent(backend)).sessions == (session.id,)
    backend.server.clock.advance(ms=1)
    assert (await recent(backend)).sessions == ()


async def test_a_banned_user_and_a_deleted_one_are_listed_with_their_sessions(backend: Backend) -> None:
    banned, deleted = [await backend.sign_in((await backend.create_user(name))["user_id"]) for name in ("ada", "bob")]
    ids = {UUID(app.user_id): (await app.session()).id for app in (banned, deleted)}
    at = backend.server.clock.now()
    await backend.server.runtime.transact(lambda unit: users.ban(unit, backend.team.id, UUID(banned.user_id), ""))
    await backend.server.runtime.transact(
        lambda unit: user_deletion.delete_user(unit, backend.team.id, UUID(deleted.user_id))
    )
    found = await recent(backend)
    assert found.users == dict.fromkeys(ids, at)
    assert set(found.sessions) == set(ids.values())


async def test_a_removed_team_is_listed_once_and_not_session_by_session(backend: Backend) -> None:
    other = await new_backend(backend.server)
    await other.sign_in()
    at = backend.server.clock.now()
    await backend.server.runtime.transact(lambda unit: teams.remove(unit, other.team.id))
    found = await recent(backend)
    assert (found.teams, found.sessions) == ({other.team.id: at}, ())


async def test_sessions_of_another_dialect_are_nobodys_business_here(backend: Backend) -> None:
    phone = await backend.server.sign_in()
    assert (await phone.sign_out()).status_code == 200
    assert (await recent(backend)).sessions == ()


async def test_a_list_cut_off_says_since_when_it_is_whole(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "MOST", 2)
    ended = []
    for name in ("ada", "bob", "cyd"):
        backend.server.clock.advance(seconds=60)
        session = await (await backend.sign_in((await backend.create_user(name))["user_id"])).session()
        await backend.server.runtime.transact(lambda unit, session=session: sessions.end(unit, session.id, Cause.ADMIN))
        ended.append(session.id)
    found = await recent(backend)
    assert not found.complete
    assert set(found.sessions) == set(ended[1:])
    assert backend.server.clock.now() - 2 * MINUTE < found.since <= backend.server.clock.now() - MINUTE


async def test_the_list_is_found_by_its_index_alone(server: Server) -> None:
    """However many sessions there are, and however many of a removed team ended."""

    async def plan(unit: object) -> str:
        db = unit.db  # type: ignore[attr-defined]
        explain = "EXPLAIN QUERY PLAN" if db.dialect.name == "sqlite" else "EXPLAIN"
        if db.dialect.name == "postgresql":
            await db.execute(text("SET LOCAL enable_seqscan = off"))
        query = (
            f"SELECT id FROM sessions WHERE {sessions.REVOKED.text} AND ended_at >= 5 ORDER BY ended_at DESC LIMIT 9"
        )
        return "\n".join(str(tuple(row)) for row in await db.execute(text(f"{explain} {query}")))

    assert "ix_sessions_ended_at" in await server.runtime.read(plan)

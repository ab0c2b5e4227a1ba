"""The filters of the audit log: what they find, in what order, and that they find it without reading all of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from gatepass.core import audit, users
from gatepass.core.audit import Event, Filter, audit_events
from gatepass.core.schema import HOUR
from gatepass.core.sessions import Cause
from gatepass.core.unit import Unit
from harness import Server
from life import Life, begin


async def found(server: Server, wanted: Filter, **page: Any) -> list[audit.AuditEvent]:
    return await server.runtime.read(lambda unit: audit.list_events(unit, wanted, **page))


@pytest.fixture
async def two(server: Server) -> tuple[Life, Life]:
    """Two users of one team, an hour apart: the first signed out, the second was banned."""
    ada = await begin(server)
    await ada.end(Cause.SIGNED_OUT)
    ada.wait(3600)
    bob = await begin(server, email="bob@example.com")
    await bob.ban()
    return ada, bob


def of_team(server: Server, **more: Any) -> Filter:
    return Filter(team_id=server.team.id, **more)


async def test_each_filter_narrows_and_all_of_them_hold_together(server: Server, two: tuple[Life, Life]) -> None:
    ada, bob = two
    whole = await found(server, of_team(server))
    assert [event.event for event in whole[:2]] == [Event.USER_BANNED, Event.SESSION_ENDED]

    of_bob = await found(server, Filter(user_id=bob.user.id))
    assert {event.user_id for event in of_bob} == {bob.user.id}
    assert of_bob == [event for event in whole if event.user_id == bob.user.id]
    assert [event.event for event in await found(server, Filter(session_id=ada.id))] == [
        Event.SESSION_ENDED,
        Event.SESSION_OPENED,
    ]
    ended = await found(server, of_team(server, event=Event.SESSION_ENDED))
    assert [(event.user_id, event.detail["cause"]) for event in ended] == [
        (bob.user.id, "banned"),
        (ada.user.id, "signed_out"),
    ]
    assert await found(server, of_team(server, event=Event.USER_BANNED, user_id=ada.user.id)) == []


async def test_from_is_part_of_it_and_to_is_not(server: Server, two: tuple[Life, Life]) -> None:
    whole = await found(server, of_team(server))
    now = server.clock.now()
    assert await found(server, of_team(server, since=now)) == [event for event in whole if event.at >= now]
    assert await found(server, of_team(server, until=now)) == [event for event in whole if event.at < now]
    assert await found(server, of_team(server, since=now + 1)) == []
    assert await found(server, of_team(server, since=now - HOUR, until=now - HOUR + 1)) == [
        event for event in whole if event.at == now - HOUR
    ]
    assert await found(server, of_team(server, since=-(10**15), until=10**15)) == whole


async def test_pages_join_without_a_gap_or_a_double_while_more_is_appended(
    server: Server, two: tuple[Life, Life]
) -> None:
    wanted = of_team(server)
    whole = await found(server, wanted)
    seen: list[audit.AuditEvent] = []
    before: UUID | None = None
    while page := await found(server, wanted, before=before, limit=2):
        seen += page
        before = page[-1].id
        await begin(server, email=f"later-{len(seen)}@example.com")
    assert seen == whole


async def test_a_team_sees_nothing_of_another_by_naming_its_user(server: Server, two: tuple[Life, Life]) -> None:
    _, bob = two
    other, _, _ = await server.new_team()
    assert await found(server, Filter(team_id=other.id, user_id=bob.user.id)) == []


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(team_id=UUID(int=1)),
        Filter(user_id=UUID(int=1)),
        Filter(team_id=UUID(int=1), user_id=UUID(int=2)),
        Filter(session_id=UUID(int=1)),
        Filter(event=Event.OTP_LOCKED),
        Filter(since=1_790_000_000_000, until=1_790_000_100_000),
    ],
    ids=str,
)
async def test_no_filter_reads_the_whole_log(sqlite_server: Server, wanted: Filter) -> None:
    """SQLite says how it would go about it."""

    async def plan(unit: Unit) -> str:
        query = select(audit_events.c.id).where(*wanted.conditions(unit)).order_by(audit_events.c.id.desc()).limit(100)
        text = str(query.compile(dialect=unit.db.dialect, compile_kwargs={"literal_binds": True}))
        return " ".join(str(row) for row in await unit.db.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))

    steps = await sqlite_server.runtime.read(plan)
    assert "SEARCH" in steps
    assert "SCAN" not in steps


async def test_what_is_recorded_of_a_change_names_no_value_that_a_person_chose(server: Server) -> None:
    """Which is why the log may be shown and exported as it is."""
    hostile = "=cmd|' /C calc'!A0"
    life = await begin(server)
    await server.runtime.transact(
        lambda unit: users.change(unit, life.user.team_id, life.user.id, nickname=hostile, roles=[hostile])
    )
    await life.ban(hostile)
    assert all(hostile not in str(event) for event in await found(server, of_team(server)))

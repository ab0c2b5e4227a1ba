"""What is thrown away, and what is still there the moment before."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, func, insert, select

from gatepass.adapters import worker as working
from gatepass.adapters.worker import Worker
from gatepass.core import audit, inbox, known_clients, limits, otp, outbox, purge, qr, sessions
from gatepass.core.schema import DAY, HOUR, MINUTE, SECOND
from gatepass.core.sessions import Cause
from harness import ACCOUNT_QR, REFRESH, VERIFY, Server, serve


def worker_of(server: Server) -> Worker:
    return Worker(server.runtime.transact, server.app.state.postman, asyncio.Event())


async def sweep(server: Server) -> int:
    """Everything that has died by now; how many rows."""
    return await worker_of(server).sweep()


async def count(server: Server, table: Table[Any]) -> int:
    """Rows of the server's team, or of everyone where the table knows no team."""
    query = select(func.count()).select_from(table)
    if "team_id" in table.c:
        query = query.where(table.c.team_id == server.team.id)

    async def read(unit: Any) -> int:
        return int(await unit.db.scalar(query))

    return await server.runtime.read(read)


async def goes_after(server: Server, table: Table[Any], ms: int) -> None:
    """The rows of *table* are all there until the last ms, and then all gone."""
    before = await count(server, table)
    assert before > 0
    server.clock.advance(ms=ms - 1)
    await sweep(server)
    assert await count(server, table) == before
    server.clock.advance(ms=1)
    await sweep(server)
    assert await count(server, table) == 0


async def test_a_transaction_can_be_explained_for_a_day_and_is_unknown_then(server: Server) -> None:
    asked = await server.ask_for_code("ada@example.com")
    body = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
    server.clock.advance(ms=10 * MINUTE + DAY - 1)
    await sweep(server)
    assert (await server.post(VERIFY, body)).json()["error"]["code"] == 1110
    server.clock.advance(ms=1)
    await sweep(server)
    assert (await server.post(VERIFY, body)).json()["error"]["code"] == 1000
    assert await count(server, otp.otp_transactions) == 0


async def test_a_qr_value_is_kept_for_a_day_after_its_life(server: Server) -> None:
    phone = await server.sign_in()
    assert (await server.client.post(ACCOUNT_QR, headers=phone.bearer, json={})).status_code == 200
    await goes_after(server, qr.qr_codes, 120 * SECOND + DAY)


async def test_a_settled_mail_is_kept_for_a_day(server: Server) -> None:
    await server.ask_for_code("ada@example.com")
    await server.deliver()
    await goes_after(server, outbox.outbox, DAY)


async def test_a_mail_that_waits_is_never_purged(server: Server) -> None:
    await server.ask_for_code("ada@example.com")
    server.clock.advance(ms=400 * DAY)
    await sweep(server)
    assert await count(server, outbox.outbox) == 1


async def test_the_inbox_is_kept_for_a_week(server: Server) -> None:
    await server.ask_for_code("ada@example.com")
    await server.deliver()
    await goes_after(server, inbox.messages, 7 * DAY)


async def test_audit_events_are_kept_for_400_days(server: Server) -> None:
    await server.sign_in()
    await goes_after(server, audit.audit_events, 400 * DAY)


async def test_a_client_is_forgotten_after_90_days_and_a_budget_when_it_is_full_again(database_url: str) -> None:
    async with serve(database_url, limit_codes_per_address="10/hour") as server:
        server.clock.advance(ms=10_000 * DAY)  # past whatever other tests have left in these tables, which know no team
        await sweep(server)
        assert [await count(server, table) for table in (limits.limits, known_clients.known_clients)] == [0, 0]
        await server.sign_in()
        server.clock.advance(ms=HOUR - 1)
        await sweep(server)
        assert await count(server, limits.limits) == 1
        server.clock.advance(ms=1)
        await sweep(server)
        assert await count(server, limits.limits) == 0
        await goes_after(server, known_clients.known_clients, 90 * DAY - HOUR)


async def test_an_ended_session_is_kept_for_the_idle_life(server: Server) -> None:
    phone = await server.sign_in()
    server.clock.advance(ms=20 * MINUTE)
    assert (await phone.sign_out()).status_code == 200
    await goes_after(server, sessions.sessions, 180 * DAY)


async def test_a_session_that_ran_out_is_kept_for_30_days(server: Server) -> None:
    phone = await server.sign_in()
    server.clock.advance(ms=100 * DAY)
    assert (await phone.refresh()).status_code == 200
    await goes_after(server, sessions.sessions, 180 * DAY + 30 * DAY)


async def test_a_session_that_is_used_lives_on_for_years(server: Server) -> None:
    phone = await server.sign_in()
    for _ in range(6):
        server.clock.advance(ms=179 * DAY)
        await sweep(server)
        assert (await phone.refresh()).status_code == 200


async def test_a_phone_that_comes_back_late_gets_the_same_answer_before_and_after_the_purge(server: Server) -> None:
    phone = await server.sign_in()
    answers = []
    for days in (181, 100):
        server.clock.advance(ms=days * DAY)
        await sweep(server)
        answers.append((await server.post(REFRESH, {"refreshToken": phone.refresh_token})).json())
    assert await count(server, sessions.sessions) == 0
    assert answers[0] == answers[1]


def row_of(server: Server, opened_at: int, **given: Any) -> dict[str, Any]:
    """A session as sign-in would have written it at *opened_at*."""
    values: dict[str, Any] = {
        "id": server.runtime.mint.uuid7(opened_at),
        "team_id": server.team.id,
        "environment": "development",
        "surface": "elixir",
        "user_id": UUID(int=1),
        "generation": 0,
        "rotated_at": opened_at,
        "late_replays": 0,
        "last_seen_at": opened_at,
        "idle_expires_at": opened_at + 180 * DAY,
        "opened_at": opened_at,
        "proof": "otp",
        **given,
    }
    return {column.name: values.get(column.name) for column in sessions.sessions.c}


async def add(server: Server, rows: list[dict[str, Any]]) -> None:
    async def write(unit: Any) -> None:
        await unit.db.execute(insert(sessions.sessions), rows)

    await server.runtime.transact(write)


async def test_the_idle_life_is_that_of_the_session_s_own_surface(server: Server) -> None:
    now = server.clock.now()
    ended = {"ended_at": now, "end_cause": Cause.ADMIN.value}
    await add(server, [row_of(server, now, surface=surface, **ended) for surface in ("elixir", "junction")])
    server.clock.advance(ms=90 * DAY + 1)
    await sweep(server)
    assert await count(server, sessions.sessions) == 1
    server.clock.advance(ms=90 * DAY)
    await sweep(server)
    assert await count(server, sessions.sessions) == 0


async def test_a_session_past_its_absolute_limit_is_kept_for_30_days(server: Server) -> None:
    now = server.clock.now()
    limits_of_it = {"idle_expires_at": now + 900 * DAY, "absolute_expires_at": now + 400 * DAY}
    await add(server, [row_of(server, now, surface="junction", **limits_of_it)])
    await goes_after(server, sessions.sessions, 430 * DAY)


async def test_sessions_are_walked_in_stretches_of_500(server: Server) -> None:
    """Two of three are dead; the walk passes the living by and deletes no more than a stretch at a time."""
    now = server.clock.now()
    rows = [
        row_of(server, now + number, idle_expires_at=now + (30 if number % 3 else 1000) * DAY) for number in range(1100)
    ]
    await add(server, rows)
    server.clock.advance(ms=300 * DAY)
    place, deleted, stretches = purge.BEFORE_ALL, 0, 0
    while True:
        walked = await server.runtime.transact(lambda unit, after=place: purge.walk_sessions(unit, after))
        deleted, stretches = deleted + walked.deleted, stretches + 1
        assert walked.deleted <= purge.BATCH
        if walked.last is None:
            break
        assert walked.last > place
        place = walked.last
    assert stretches >= 3
    assert deleted >= 733
    assert await count(server, sessions.sessions) == 367


async def test_a_purge_that_may_not_finish_goes_on_where_it_stopped(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BATCHES", 1)
    monkeypatch.setattr(working, "BREATH", 0)
    now = server.clock.now() + 2000 * DAY
    server.clock.advance(ms=2000 * DAY)
    worker = worker_of(server)
    while await worker.sweep():
        pass
    await add(server, [row_of(server, now + number) for number in range(1001)])
    server.clock.advance(ms=211 * DAY)
    left = []
    while not left or left[-1]:
        await worker.sweep()
        left.append(await count(server, sessions.sessions))
        assert len(left) < 20
    assert {1001, 501, 1} >= set(left) - {0}


async def test_two_processes_purge_together(server: Server) -> None:
    now = server.clock.now()
    await add(server, [row_of(server, now + number) for number in range(700)])
    for number in range(30):
        await server.ask_for_code(f"user-{number}@example.com")
    server.clock.advance(ms=400 * DAY)
    await asyncio.gather(sweep(server), sweep(server), sweep(server))
    tables: list[Table[Any]] = [sessions.sessions, otp.otp_transactions]
    assert [await count(server, table) for table in tables] == [0, 0]


async def test_a_running_worker_purges_by_itself(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "PURGE_EVERY", 0.05)
    await server.ask_for_code("ada@example.com")
    server.clock.advance(ms=2 * DAY)
    async with worker_of(server).running():
        for _ in range(100):
            if await count(server, otp.otp_transactions) == 0:
                break
            await asyncio.sleep(0.05)
    assert await count(server, otp.otp_transactions) == 0


@pytest.mark.parametrize("rule", purge.RULES, ids=lambda rule: rule.table.name)
async def test_no_purge_reads_a_whole_table(sqlite_server: Server, rule: purge.Rule) -> None:
    """Each rule finds its rows through an index; SQLite says how it would go about it."""

    async def plan(unit: Any) -> str:
        query = select(rule.by).where(rule.dead(unit.now)).order_by(rule.by).limit(purge.BATCH)
        text = str(query.compile(dialect=unit.db.dialect, compile_kwargs={"literal_binds": True}))
        rows = await unit.db.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")
        return " ".join(str(row) for row in rows)

    steps = await sqlite_server.runtime.read(plan)
    assert "SEARCH" in steps
    assert "SCAN" not in steps
    assert "TEMP B-TREE" not in steps

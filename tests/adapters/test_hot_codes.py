"""Codes by e-mail by the shared statements: what they save, and that nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Table, delete, func, select, update

from gatepass import codes
from gatepass.core import audit, otp
from gatepass.core import limits as limits_of
from gatepass.core.addresses import Address
from gatepass.core.api_keys import App
from gatepass.core.audit import audit_events
from gatepass.core.errors import CodeWrong, OtpLocked, Unavailable
from gatepass.core.known_clients import known_clients
from gatepass.core.limits import Budget, limits
from gatepass.core.otp import Requested, Verified, otp_transactions
from gatepass.core.outbox import outbox
from gatepass.core.sessions import Device, sessions
from gatepass.core.unit import Caller, Unit
from gatepass.core.users import ban, users
from harness import Server, serve, statements

CALLER = Caller(address="192.0.2.7")
PHONE = Device(id="0f2c9e4ab17d", model="iPhone 15")
UNLIKE = {"id", "key", "digest", "sealed", "session_id", "user_id", "email", "email_identity", "nickname"}


@pytest.fixture
async def shared(database_url: str) -> AsyncIterator[Server]:
    """A server whose addresses may ask three times an hour, and guess wrong twice a day."""
    rates = {"limit_codes_per_address": "3/hour", "limit_wrong_codes_per_address": "2/day", "limit_cooldown": "off"}
    async with serve(database_url, **rates) as server:
        yield server


async def app_of(server: Server) -> App:
    return await server.runtime.apps.named_by(server.development_key)


async def ask(server: Server, email: str, caller: Caller = CALLER) -> Requested | None:
    """The short way."""
    door = Budget(
        "login_per_client", server.runtime.policy.limits.login_per_client, f"{server.team.id}|{caller.address}"
    )
    return await codes.request(
        server.runtime, await app_of(server), Address.parse(email), caller, locale="en", door=door
    )


async def asked(server: Server, email: str) -> Requested:
    requested = await ask(server, email)
    assert requested is not None
    return requested


async def guess(
    server: Server, requested: Requested, code: str | None = None, device: Device = PHONE
) -> Verified | None:
    """The short way."""
    presented = code or requested.code or ""
    transaction = str(requested.transaction_id)
    return await codes.verify(server.runtime, await app_of(server), transaction, presented, CALLER, device=device)


def wrong(requested: Requested) -> str:
    return f"{(int(requested.code or 0) + 1) % 10**6:06d}"


async def the_long_way(server: Server, email: str) -> tuple[Requested, Verified]:
    """Ask, guess wrong once, and guess right."""
    app, runtime = await app_of(server), server.runtime
    door = Budget("login_per_client", runtime.policy.limits.login_per_client, f"{server.team.id}|{CALLER.address}")

    async def request(unit: Unit) -> Requested:
        await limits_of.spend(unit, door)
        return await otp.request(unit, app, Address.parse(email))

    requested = await runtime.transact(request, caller=CALLER)
    transaction = str(requested.transaction_id)

    async def verify(code: str) -> Verified:
        return await runtime.transact(
            lambda unit: otp.verify(unit, app, transaction, code, device=PHONE), caller=CALLER
        )

    with pytest.raises(CodeWrong):
        await verify(wrong(requested))
    return requested, await verify(requested.code or "")


async def the_short_way(server: Server, email: str) -> tuple[Requested, Verified]:
    requested = await asked(server, email)
    with pytest.raises(CodeWrong):
        await guess(server, requested, wrong(requested))
    verified = await guess(server, requested)
    assert verified is not None
    return requested, verified


async def written(server: Server, requested: Requested, verified: Verified) -> dict[str, Any]:
    """All that a sign-in left behind, by table, without what is different each time."""
    own = {
        otp_transactions: otp_transactions.c.id == requested.transaction_id,
        outbox: (outbox.c.team_id == server.team.id) & outbox.c.settled_at.is_(None),
        users: users.c.id == verified.grant.user_id,
        sessions: sessions.c.id == verified.grant.session_id,
        audit_events: audit_events.c.user_id == verified.grant.user_id,
        limits: limits.c.spent >= 0,
        known_clients: known_clients.c.seen_at >= 0,
    }

    async def read(unit: Unit) -> dict[str, Any]:
        found = {}
        for table, which in own.items():
            key = next(iter(table.primary_key))
            many = (await unit.db.execute(select(table).where(which).order_by(key))).mappings().all()
            found[table.name] = sorted(str({k: v for k, v in row.items() if k not in UNLIKE}) for row in many)
        return found

    return await server.runtime.read(read)


async def _empty(unit: Unit) -> None:
    for table in (limits, known_clients, outbox):
        await unit.db.execute(delete(table))


async def test_the_short_way_writes_what_the_long_way_writes(shared: Server) -> None:
    await shared.runtime.transact(_empty)
    short = await written(shared, *await the_short_way(shared, "hot@example.com"))
    await shared.runtime.transact(_empty)
    long = await written(shared, *await the_long_way(shared, "long@example.com"))
    assert short == long
    assert [len(many) for many in long.values()] == [1, 1, 1, 1, 2, 2, 2]


async def test_who_signs_in_again_is_found(shared: Server) -> None:
    _, first = await the_short_way(shared, "ada@example.com")
    _, second = await the_short_way(shared, "Ada@example.com")
    assert first.new_account
    assert not second.new_account
    assert second.grant.user_id == first.grant.user_id
    assert second.grant.email == "ada@example.com"
    assert second.grant.session_id != first.grant.session_id


async def test_many_at_once_are_each_answered_for_themselves(shared: Server) -> None:
    names = [f"user-{number}@example.com" for number in range(12)]
    requested = await asyncio.gather(*(asked(shared, name) for name in names))
    half = [wrong(one) if number % 3 == 0 else one.code for number, one in enumerate(requested)]
    answers = await asyncio.gather(
        *(guess(shared, one, code) for one, code in zip(requested, half, strict=True)), return_exceptions=True
    )
    for number, answer in enumerate(answers):
        if number % 3 == 0:
            assert isinstance(answer, CodeWrong)
        else:
            assert isinstance(answer, Verified)
            assert answer.grant.email == names[number]


async def test_the_last_guess_locks(shared: Server) -> None:
    requested = await asked(shared, "ada@example.com")

    async def leave_one(unit: Unit) -> None:
        await unit.db.execute(
            update(otp_transactions).where(otp_transactions.c.id == requested.transaction_id).values(attempts=4)
        )

    await shared.runtime.transact(leave_one)
    with pytest.raises(OtpLocked):
        await guess(shared, requested, wrong(requested))
    assert await guess(shared, requested) is None
    events = await shared.runtime.read(lambda unit: audit.list_events(unit, audit.Filter(team_id=shared.team.id)))
    assert events[0].event is audit.Event.OTP_LOCKED


async def test_a_right_code_in_a_crowd_of_guesses_never_makes_more_than_the_limit_count(shared: Server) -> None:
    requested = await asked(shared, "ada@example.com")
    crowd = [f"{number:06d}" for number in range(100, 140)]
    answers = await asyncio.gather(*(guess(shared, requested, code) for code in crowd), return_exceptions=True)
    judged = [answer for answer in answers if answer is not None]
    assert all(isinstance(answer, CodeWrong | OtpLocked) for answer in judged)
    assert len(judged) <= 2  # what the budget of the address has room for; the others go the long way, and are refused


async def test_a_budget_without_room_refuses_and_leaves_nothing(shared: Server) -> None:
    for _ in range(3):
        await asked(shared, "ada@example.com")
    before = await count(shared, otp_transactions)
    assert await ask(shared, "ada@example.com") is None
    assert await count(shared, otp_transactions) == before
    shared.clock.advance(seconds=3600)
    assert await ask(shared, "ada@example.com") is not None


async def test_wrong_guesses_are_taken_from_the_budget_and_a_right_one_is_not(shared: Server) -> None:
    first, second = await asked(shared, "ada@example.com"), await asked(shared, "ada@example.com")
    for _ in range(2):
        with pytest.raises(CodeWrong):
            await guess(shared, first, wrong(first))
    assert await guess(shared, first, wrong(first)) is None
    assert await guess(shared, second) is None  # the long way says for how long
    shared.clock.advance(seconds=86_400)
    third = await asked(shared, "ada@example.com")
    assert await guess(shared, third) is not None


async def test_whoever_needs_judgement_goes_the_long_way_and_leaves_nothing(shared: Server) -> None:
    _, verified = await the_short_way(shared, "ada@example.com")
    requested = await asked(shared, "ada@example.com")
    before = await count(shared, sessions)
    assert await guess(shared, requested, device=Device(id="another-device-71c3")) is None
    await shared.runtime.transact(lambda unit: ban(unit, shared.team.id, verified.grant.user_id))
    assert await guess(shared, requested) is None
    assert await count(shared, sessions) == before

    async def attempts(unit: Unit) -> int | None:
        return await unit.db.scalar(
            select(otp_transactions.c.attempts).where(otp_transactions.c.id == requested.transaction_id)
        )

    assert await shared.runtime.read(attempts) == 0


async def test_where_nobody_can_say_whether_it_was_committed_nobody_is_sent_the_long_way(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = asyncpg.Connection.fetch

    async def lose_the_answer(connection: Any, statement: str, *given: Any) -> Any:
        rows = await fetch(connection, statement, *given)
        if "otp_transactions AS t" in statement:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return rows

    async with serve(postgres_url) as server:
        requested = await asked(server, "ada@example.com")
        monkeypatch.setattr(asyncpg.Connection, "fetch", lose_the_answer)
        with pytest.raises(Unavailable):
            await guess(server, requested)


async def test_connections_that_were_lost_while_nobody_used_them_cost_nobody_the_short_way(postgres_url: str) -> None:
    async with serve(postgres_url) as server:
        await asyncio.gather(*(asked(server, f"before{number}@example.com") for number in range(4)))
        idle = server.runtime.hot._driver._idle  # type: ignore[attr-defined]
        assert idle
        killer = await asyncpg.connect(postgres_url)
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatepass hot'"
        )
        await killer.close()
        async with asyncio.timeout(5):
            while not all(connection.is_closed() for connection in idle):
                await asyncio.sleep(0.01)
        assert await guess(server, await asked(server, "ada@example.com")) is not None


async def test_asking_and_guessing_are_two_round_trips_each(postgres_url: str) -> None:
    """And none of them through the pool."""
    async with serve(postgres_url) as server:
        await the_short_way(server, "first@example.com")  # connects, and asks what the key names
        with statements(server) as ran:
            assert await guess(server, await asked(server, "ada@example.com")) is not None
    assert [statement.split()[0] for statement in ran] == ["SELECT", "WITH"] * 2


async def count(server: Server, table: Table) -> int:
    async def read(unit: Unit) -> int:
        return await unit.db.scalar(select(func.count()).select_from(table)) or 0

    return await server.runtime.read(read)

"""Sign-in tokens by the shared statements: what they save, and that nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import select

from backend import Backend, new_backend, sessions_of
from gatepass import grants
from gatepass.core import api_keys, audit, limits, sign_in_tokens, users
from gatepass.core.sessions import Cause, Grant, Session
from gatepass.core.sign_in_jwt import SignInToken
from gatepass.core.sign_in_tokens import Redemption
from gatepass.core.unit import Caller, Unit
from harness import Server, serve

CALLER = Caller(address="192.0.2.7")


@pytest.fixture
async def backend(server: Server) -> Backend:
    return await new_backend(server)


@pytest.fixture
async def limited(database_url: str) -> AsyncIterator[Backend]:
    """A backend whose clients may exchange three times an hour."""
    async with serve(database_url, limit_token_endpoint_per_client="3/hour") as server:
        yield await new_backend(server)


async def a_token(backend: Backend, name: str = "member-1") -> SignInToken:
    user = await backend.create_user(name)
    return await grants.verified(backend.server.runtime, await backend.sign_in_token(user["user_id"]))


def first_of(backend: Backend, token: SignInToken, caller: Caller = CALLER) -> Redemption:
    runtime = backend.server.runtime
    asked = sign_in_tokens.redemption(
        runtime.mint, runtime.policy, runtime.secret, runtime.clock.now(), token, backend.team, caller
    )
    assert asked is not None
    return asked


async def events_of(backend: Backend, session_id: UUID) -> list[audit.AuditEvent]:
    return await backend.server.runtime.read(lambda unit: audit.list_events(unit, audit.Filter(session_id=session_id)))


async def spent(backend: Backend) -> list[int]:
    async def work(unit: Unit) -> list[int]:
        (key, _), *_ = sign_in_tokens.budget_of(unit.policy, backend.team.id, CALLER).keys(unit.secret)
        return list((await unit.db.scalars(select(limits.limits.c.spent).where(limits.limits.c.key == key))).all())

    return await backend.server.runtime.read(work)


async def test_the_shared_exchange_writes_what_the_long_way_writes(limited: Backend) -> None:
    runtime = limited.server.runtime
    hot, long = await a_token(limited, "hot"), await a_token(limited, "long")
    granted = await runtime.hot.redeem(first_of(limited, hot))

    async def redeem(unit: Unit) -> object:
        await limits.spend(unit, sign_in_tokens.budget_of(unit.policy, limited.team.id, unit.caller))
        return await sign_in_tokens.redeem(unit, long)

    expected = await runtime.transact(redeem, caller=CALLER)
    assert granted is not None
    own = {"session_id", "user_id", "id"}
    assert {name for name in Grant._fields if getattr(granted, name) != getattr(expected, name)} == own - {"id"}
    ((one,), (other,)) = [await sessions_of(limited.server, str(token.user_id)) for token in (hot, long)]
    assert {name for name in Session._fields if getattr(one, name) != getattr(other, name)} == own - {"session_id"}
    ((told,), (expected_event,)) = [await events_of(limited, session.id) for session in (one, other)]
    assert (told.event, told.at, told.team_id, told.detail) == (
        expected_event.event,
        expected_event.at,
        expected_event.team_id,
        expected_event.detail,
    )
    assert (told.user_id, told.session_id) == (hot.user_id, one.id)
    assert await spent(limited) == [2]


async def test_many_exchanges_at_once_are_each_answered_for_itself(backend: Backend) -> None:
    tokens = [await a_token(backend, f"member-{number}") for number in range(8)]
    hot = backend.server.runtime.hot
    found = await asyncio.gather(*(hot.redeem(first_of(backend, token)) for token in tokens))
    assert [grant and grant.user_id for grant in found] == [token.user_id for token in tokens]


async def test_one_token_twice_at_once_opens_one_session(backend: Backend) -> None:
    user = await backend.create_user()
    token = await backend.sign_in_token(user["user_id"])
    answers = await asyncio.gather(*(backend.exchange(token) for _ in range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert len(await sessions_of(backend.server, user["user_id"])) == 1


async def test_an_exhausted_budget_refuses_and_opens_nothing(limited: Backend) -> None:
    hot = limited.server.runtime.hot
    tokens = [await a_token(limited, f"member-{number}") for number in range(4)]
    for token in tokens[:3]:
        assert await hot.redeem(first_of(limited, token)) is not None
    assert await hot.redeem(first_of(limited, tokens[3])) is None
    assert await sessions_of(limited.server, str(tokens[3].user_id)) == []
    limited.server.clock.advance(seconds=3600)
    assert await hot.redeem(first_of(limited, tokens[3])) is not None
    assert await spent(limited) == [1]


async def test_of_a_crowd_no_more_come_in_than_the_budget_has_room_for(limited: Backend) -> None:
    hot = limited.server.runtime.hot
    tokens = [await a_token(limited, f"member-{number}") for number in range(8)]
    found = await asyncio.gather(*(hot.redeem(first_of(limited, token)) for token in tokens))
    let_in = sum(grant is not None for grant in found)
    assert await spent(limited) == ([let_in] if let_in else [])
    assert let_in <= 3
    opened = [await sessions_of(limited.server, str(token.user_id)) for token in tokens]
    assert sum(len(sessions) for sessions in opened) == let_in


async def ban(unit: Unit, backend: Backend, token: SignInToken) -> None:
    await users.ban(unit, backend.team.id, token.user_id)


async def revoke_keys(unit: Unit, backend: Backend, _: SignInToken) -> None:
    for key in await api_keys.list_keys(unit, backend.team.id):
        await api_keys.revoke(unit, key.id)


async def revoke_tokens(unit: Unit, _: Backend, token: SignInToken) -> None:
    await sign_in_tokens.revoke_all(unit, token.user_id)


@pytest.mark.parametrize("what", [ban, revoke_keys, revoke_tokens])
async def test_what_takes_a_token_its_worth_is_seen(backend: Backend, what: object) -> None:
    token = await a_token(backend)
    asked = first_of(backend, token)
    await backend.server.runtime.transact(lambda unit: what(unit, backend, token))  # type: ignore[operator]
    assert await backend.server.runtime.hot.redeem(asked) is None
    assert await sessions_of(backend.server, str(token.user_id)) == []


async def test_a_session_opened_while_its_user_is_banned_does_not_outlive_the_ban(backend: Backend) -> None:
    token = await a_token(backend)
    runtime = backend.server.runtime
    asked = first_of(backend, token)

    async def slow_ban(unit: Unit) -> None:
        await users.lock(unit, backend.team.id, token.user_id)
        await asyncio.sleep(0.1)  # the exchange arrives meanwhile
        await users.ban(unit, backend.team.id, token.user_id)

    _, grant = await asyncio.gather(runtime.transact(slow_ban), runtime.hot.redeem(asked))
    sessions = await sessions_of(backend.server, str(token.user_id))
    assert [session.end_cause for session in sessions] == ([] if grant is None else [Cause.BANNED])


async def test_nobody_is_vouched_for_who_may_not_sign_in(backend: Backend) -> None:
    runtime = backend.server.runtime
    user = await backend.create_user()
    record = sign_in_tokens.vouching(
        runtime.mint, runtime.policy, runtime.clock.now(), backend.team.id, UUID(user["user_id"]), None
    )
    await runtime.transact(lambda unit: users.ban(unit, backend.team.id, UUID(user["user_id"])))
    assert await runtime.hot.vouch(record) is False
    await runtime.transact(lambda unit: users.unban(unit, backend.team.id, UUID(user["user_id"])))
    assert await runtime.hot.vouch(record) is True


async def test_on_sqlite_a_batch_is_as_many_statements_as_one(sqlite_url: str) -> None:
    async with serve(sqlite_url, limit_token_endpoint_per_client="3000/hour") as server:
        backend = await new_backend(server)
        tokens = [await a_token(backend, f"member-{number}") for number in range(6)]
        driver, users_known = server.runtime.hot._driver, [token.user_id for token in tokens]
        records = [
            sign_in_tokens.vouching(
                server.runtime.mint, server.runtime.policy, server.clock.now(), backend.team.id, user_id, None
            )
            for user_id in users_known
        ]
        seen: list[str] = []
        driver._writer._connection.set_trace_callback(seen.append)  # type: ignore[attr-defined]
        assert len(await driver.redeem([first_of(backend, token) for token in tokens])) == 6
        assert len(await driver.vouch(records)) == 6
        driver._writer._connection.set_trace_callback(None)  # type: ignore[attr-defined]
        exchanged = ["BEGIN", "SELECT", "INSERT", "UPDATE", "INSERT", "INSERT", "COMMIT"]
        assert [statement.split()[0] for statement in seen] == [*exchanged, "INSERT"]


async def test_vouching_and_exchanging_are_one_round_trip_each(postgres_url: str) -> None:
    async with serve(postgres_url) as server:
        backend = await new_backend(server)
        user = await backend.create_user()
        await backend.exchange(await backend.sign_in_token(user["user_id"]))
        (connection,) = server.runtime.hot._driver._idle  # type: ignore[attr-defined]
        seen: list[str] = []
        connection.add_query_logger(lambda record: seen.append(record.query))
        answer = await backend.exchange(await backend.sign_in_token(user["user_id"]))
        assert answer.status_code == 200
        assert [query.split()[0] for query in seen] == ["INSERT", "WITH"]

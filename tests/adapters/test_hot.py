"""The shared statement: what it saves, and that nobody can tell."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg

from backend import new_backend
from gatepass.adapters.hot import Hot
from gatepass.core import api_keys, refresh_tokens, rotation, sessions
from gatepass.core.rotation import Ask
from gatepass.core.unit import Unit
from harness import REFRESH, Phone, Server, serve


def ask_of(server: Server, phone: Phone) -> Ask:
    audience = sessions.Audience(sessions.Surface.ELIXIR, server.team.id, "development")
    runtime = server.runtime
    found = rotation.ask(runtime.secret, runtime.policy, phone.refresh_token, audience, server.clock.now())
    assert found is not None
    return found


def session_of(server: Server, phone: Phone) -> UUID:
    return refresh_tokens.parse(server.runtime.secret, phone.refresh_token).session_id


async def row_of(server: Server, phone: Phone) -> sessions.Session:
    return await server.runtime.read(lambda unit: sessions.get(unit, session_of(server, phone)))


async def test_many_rotations_share_statements_and_each_is_answered_for_itself(server: Server) -> None:
    phones = [await server.sign_in(f"u{number}@example.com") for number in range(8)]
    answers = await asyncio.gather(*(phone.refresh() for phone in phones))
    assert [answer.status_code for answer in answers] == [200] * 8
    for phone in phones:
        assert session_of(server, phone) == (await row_of(server, phone)).id
        assert (await row_of(server, phone)).generation == 1


async def test_the_shared_statement_writes_what_the_long_way_writes(server: Server) -> None:
    hot, long = await server.sign_in("hot@example.com"), await server.sign_in("long@example.com")
    await hot.userinfo()
    await long.userinfo()
    server.clock.advance(seconds=5)
    audience = ask_of(server, long).audience
    granted = await server.runtime.hot.rotate(ask_of(server, hot))
    expected = await server.runtime.transact(lambda unit: rotation.rotate(unit, long.refresh_token, audience))
    assert granted is not None
    same = ("generation", "environment", "region", "surface", "roles", "jkt", "issued_at", "team_id")
    assert [getattr(granted, name) for name in same] == [getattr(expected, name) for name in same]
    assert granted.email == "hot@example.com"
    written = ("generation", "rotated_at", "receipt_at", "late_replays", "idle_expires_at", "ended_at")
    one, other = await row_of(server, hot), await row_of(server, long)
    assert [getattr(one, name) for name in written] == [getattr(other, name) for name in written]


async def test_one_token_twice_in_one_batch_has_one_successor(server: Server) -> None:
    phone = await server.sign_in()
    body = {"refreshToken": phone.refresh_token}
    answers = await asyncio.gather(*(server.post(REFRESH, body) for _ in range(10)))
    assert {answer.json()["data"]["refreshToken"] for answer in answers} == {
        refresh_tokens.RefreshToken(session_of(server, phone), 1).hex(server.runtime.secret)
    }
    assert (await row_of(server, phone)).generation == 1


async def test_what_the_statement_does_not_match_goes_the_long_way(server: Server) -> None:
    phone = await server.sign_in()
    ask = ask_of(server, phone)
    assert await server.runtime.hot.rotate(ask) is not None
    assert await server.runtime.hot.rotate(ask) is None
    assert (await phone.refresh()).status_code == 200


async def test_a_hot_rotation_is_one_round_trip(postgres_url: str) -> None:
    async with serve(postgres_url) as server:
        phone = await server.sign_in()
        await phone.refresh()
        (connection,) = server.runtime.hot._driver._idle  # type: ignore[attr-defined]
        seen: list[str] = []
        connection.add_query_logger(lambda record: seen.append(record.query))
        await phone.refresh()
        assert [query.split()[0] for query in seen] == ["UPDATE"]


async def test_a_bearer_is_one_round_trip_and_its_receipt_another_once(postgres_url: str) -> None:
    async with serve(postgres_url) as server:
        phone = await server.sign_in()
        await phone.refresh()
        (connection,) = server.runtime.hot._driver._idle  # type: ignore[attr-defined]
        seen: list[str] = []
        connection.add_query_logger(lambda record: seen.append(record.query))
        await phone.userinfo()
        await phone.userinfo()
        assert [query.split()[0] for query in seen] == ["SELECT", "UPDATE", "SELECT"]


async def test_a_junction_bearer_and_an_introspection_are_one_round_trip_each(postgres_url: str) -> None:
    async with serve(postgres_url) as server:
        backend = await new_backend(server)
        app = await backend.sign_in()
        token = {"token": app.tokens["access_token"]}
        assert (await app.read()).status_code == 200
        (connection,) = server.runtime.hot._driver._idle  # type: ignore[attr-defined]
        seen: list[str] = []
        connection.add_query_logger(lambda record: seen.append(record.query))
        await app.read()
        assert (await server.client.post("/oauth/introspect", data=token, headers=backend.headers)).json()["active"]
        assert [query.split()[0] for query in seen] == ["SELECT", "SELECT"]


async def test_on_sqlite_a_batch_of_rotations_is_one_statement_and_so_is_a_batch_of_looks(sqlite_url: str) -> None:
    async with serve(sqlite_url) as server:
        phones = [await server.sign_in(f"u{number}@example.com") for number in range(6)]
        driver = server.runtime.hot._driver
        asks = [ask_of(server, phone) for phone in phones]
        await driver.rotate(asks[:1])
        await driver.look([asks[0].session_id])
        seen: list[str] = []
        for connection in (driver._writer._connection, driver._reader):  # type: ignore[attr-defined]
            connection.set_trace_callback(seen.append)
        assert len(await driver.rotate(asks[1:])) == len(await driver.look([ask.session_id for ask in asks[1:]])) == 5
        for connection in (driver._writer._connection, driver._reader):  # type: ignore[attr-defined]
            connection.set_trace_callback(None)
        assert [statement.split()[0] for statement in seen] == ["UPDATE", "SELECT"]


async def test_a_connection_lost_under_it_costs_nobody_a_session(postgres_url: str) -> None:
    async with serve(postgres_url) as server:
        phones = [await server.sign_in(f"lost{number}@example.com") for number in range(4)]
        await asyncio.gather(*(phone.refresh() for phone in phones))
        killer = await asyncpg.connect(postgres_url)
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatepass hot'"
        )
        await killer.close()
        answers = await asyncio.gather(*(phone.refresh() for phone in phones))
        assert [answer.status_code for answer in answers] == [200] * 4


async def test_closing_finishes_what_is_under_way(server: Server) -> None:
    phone = await server.sign_in()
    hot = Hot(server.runtime.database)
    rotating = asyncio.create_task(hot.rotate(ask_of(server, phone)))
    await asyncio.sleep(0)
    await hot.close()
    granted = await rotating
    assert granted is not None
    assert granted.generation == 1


async def test_a_revoked_key_is_forgotten_at_once(server: Server) -> None:
    phone = await server.sign_in()
    assert (await phone.refresh()).status_code == 200

    async def revoke(unit: Unit) -> None:
        for key in await api_keys.list_keys(unit, server.team.id):
            await api_keys.revoke(unit, key.id)

    await server.runtime.transact(revoke)
    assert (await phone.refresh()).json()["error"]["code"] == 1001

"""Reaching PostgreSQL when it is hard to reach: who knocks, who is told at once, and what is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gatepass.adapters import database, postgres_server
from gatepass.adapters.database import Database
from gatepass.adapters.postgres_server import OutOfReach, PostgresServer
from harness import serve
from network import silent_host
from postgres import free_port


async def test_while_no_host_answers_one_knocks_and_the_others_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres_server, "CONNECT_LIMIT", 0.3)
    monkeypatch.setattr(postgres_server, "BREATHER", 0.0)
    async with silent_host() as (port, came):
        server = PostgresServer(f"postgresql://gatepass@127.0.0.1:{port}/gatepass?sslmode=disable")
        with pytest.raises(OutOfReach):
            await server.connect()
        came.clear()
        ends = await asyncio.gather(*(server.connect() for _ in range(20)), return_exceptions=True)
        assert [type(end) for end in ends] == [OutOfReach] * 20
        assert len(came) == 1


async def test_a_door_that_was_closed_just_now_is_left_alone_for_a_breather(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_server, "BREATHER", 3600.0)
    server = PostgresServer(f"postgresql://gatepass@127.0.0.1:{free_port()}/gatepass")
    with pytest.raises(OutOfReach, match="ConnectionRefusedError"):
        await server.connect()
    with pytest.raises(OutOfReach, match="known to be away"):
        await server.connect()


async def test_of_several_hosts_the_one_that_answers_is_found_and_the_whole_server_works(postgres_url: str) -> None:
    host = postgres_url.partition("@")[2]
    async with serve(postgres_url.replace(host, f"127.0.0.1:{free_port()},{host}")) as server:
        phone = await server.sign_in()
        assert (await phone.refresh()).status_code == 200
        assert (await phone.userinfo()).status_code == 200


async def test_a_host_that_takes_no_writes_is_no_host_of_ours(postgres_url: str) -> None:
    read_only = f"{postgres_url}?target_session_attrs=read-write&options=-c%20default_transaction_read_only%3Don"
    with pytest.raises(OutOfReach, match="TargetServerAttributeNotMatched"):
        await PostgresServer(read_only).connect()


async def test_a_connection_that_takes_no_writes_any_more_is_left_for_one_that_does(postgres_url: str) -> None:
    used: list[int] = []

    async def write(db: AsyncConnection, commit: Callable[[], Awaitable[None]]) -> None:
        used.append(await db.scalar(text("SELECT pg_backend_pid()")) or 0)
        if len(used) == 1:
            await db.execute(text("SET TRANSACTION READ ONLY"))
        await db.execute(text("CREATE TEMPORARY TABLE written (at int)"))
        await commit()

    db = Database(postgres_url)
    try:
        await db.run(write, writes=True)
    finally:
        await db.dispose()
    assert len(set(used)) == 2


async def test_an_answer_that_does_not_come_costs_every_connection_and_cancels_nothing(postgres_url: str) -> None:
    server = PostgresServer(postgres_url)
    watched, idle = await server.connect(), await server.connect()
    backend = watched.get_server_pid()
    watch = server.watch(watched, 0.1)
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await watched.execute("SELECT pg_sleep(3)")
    watch.stop()
    assert idle.is_closed()
    again = await server.connect()
    try:
        doing = await again.fetchrow("SELECT state, query FROM pg_stat_activity WHERE pid = $1", backend)
        assert doing is not None
        assert tuple(doing) == ("active", "SELECT pg_sleep(3)")
    finally:
        await again.close()


async def test_a_transaction_may_be_long_if_its_statements_are_not(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "ANSWER_LIMIT", 0.6)

    async def slowly(db: AsyncConnection, commit: Callable[[], Awaitable[None]]) -> int:
        for _ in range(4):
            await db.execute(text("SELECT pg_sleep(0.3)"))
        await commit()
        return 4

    db = Database(postgres_url)
    try:
        assert await db.run(slowly, writes=True) == 4
    finally:
        await db.dispose()


async def test_closing_does_not_wait_for_a_server_that_is_silent(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "GOODBYE", 0.2)
    db = Database(postgres_url)
    async with db.engine.connect() as connection:
        raw = connection.sync_connection.connection.driver_connection  # type: ignore[union-attr]
    raw._transport.pause_reading()  # what the server says does not arrive any more
    async with asyncio.timeout(2):
        await db.dispose()
    assert raw.is_closed()

"""What a phone lives through and stays signed in: lost answers, parallel refreshes, an outage, tokens that run out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from dialects import OK, Dialect, Elixir, Junction, Outcome, row_of

from gatepass.adapters.database import Database
from harness import Server
from postgres import free_port


@asynccontextmanager
async def out_of_reach(server: Server) -> AsyncIterator[None]:
    """The database cannot be reached until the block ends; what the server remembers for a second is forgotten first."""
    runtime = server.runtime
    reachable = runtime.database, runtime.hot
    nowhere = Database(f"postgresql://127.0.0.1:{free_port()}/nowhere")
    runtime.database, runtime.hot = nowhere, type(runtime.hot)(nowhere)
    server.clock.advance(seconds=2)
    try:
        yield
    finally:
        await runtime.hot.close()
        await nowhere.dispose()
        runtime.database, runtime.hot = reachable


async def test_each_refresh_brings_a_new_pair_that_works(dialect: Dialect) -> None:
    phone = await dialect.sign_in()
    refresh_tokens, access_tokens = {phone.refresh_token}, {phone.access_token}
    for _ in range(3):
        dialect.server.clock.advance(seconds=3600)
        assert await phone.refresh() == OK
        assert await phone.call() == OK
        refresh_tokens.add(phone.refresh_token)
        access_tokens.add(phone.access_token)
    assert (len(refresh_tokens), len(access_tokens)) == (4, 4)


@pytest.mark.parametrize("later", [60, 7 * 86400], ids=["a minute later", "a week later"])
async def test_a_lost_answer_is_given_again(dialect: Dialect, later: int) -> None:
    phone = await dialect.sign_in()
    assert await phone.call() == OK
    lost = await phone.lose_a_refresh()
    dialect.server.clock.advance(seconds=later)
    assert await phone.refresh() == OK
    assert phone.refresh_token == lost
    assert await phone.call() == OK


async def test_three_answers_in_a_row_may_be_lost(dialect: Dialect) -> None:
    phone = await dialect.sign_in()
    lost = set()
    for _ in range(3):
        dialect.server.clock.advance(seconds=3600)
        lost.add(await phone.lose_a_refresh())
    dialect.server.clock.advance(seconds=3600)
    assert await phone.refresh() == OK
    assert lost == {phone.refresh_token}


async def test_refreshes_at_once_get_one_successor(dialect: Dialect) -> None:
    phone = await dialect.sign_in()
    assert len(set(await asyncio.gather(*(phone.lose_a_refresh() for _ in range(20))))) == 1
    row = await row_of(phone)
    assert (row.generation, row.late_replays, row.ended_at) == (1, 0, None)


async def test_an_access_token_runs_out_and_a_refresh_brings_the_next(dialect: Dialect) -> None:
    phone = await dialect.sign_in()
    dialect.server.clock.advance(seconds=2 * 3600)
    assert await phone.call() == dialect.called[Outcome.STALE]
    assert await phone.refresh() == OK
    assert await phone.call() == OK


async def test_while_the_database_is_down_everything_is_later_and_then_the_same_token_works(dialect: Dialect) -> None:
    phone = await dialect.sign_in()
    assert await phone.call() == OK
    kept = phone.refresh_token
    async with out_of_reach(dialect.server):
        assert await phone.refresh() == dialect.refreshed[Outcome.LATER]
        assert await phone.call() == dialect.called[Outcome.LATER]
    assert phone.refresh_token == kept
    assert (await row_of(phone)).generation == 0
    assert await phone.refresh() == OK
    assert await phone.call() == OK


async def test_another_dialects_token_is_unknown_and_its_session_lives_on(dialect: Dialect) -> None:
    """Elixir's sessions are a surface of their own; the other three share theirs."""
    stranger = await (Junction if isinstance(dialect, Elixir) else Elixir)(dialect.server).sign_in("eve")
    phone = await dialect.sign_in()
    assert await phone.refresh(stranger.refresh_token) == dialect.refreshed[Outcome.ENDED]
    assert await phone.refresh("nonsense") == dialect.refreshed[Outcome.ENDED]
    assert await stranger.refresh() == OK
    assert await phone.refresh() == OK

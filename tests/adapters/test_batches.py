"""Requests gathered into statements, without a database: who shares one, and who goes beside it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence

import pytest

from gatepass.adapters.hot import batches
from gatepass.adapters.hot.batches import Batches


class Statements:
    """A database whose statements take as long as the slowest of their requests waits for its event."""

    def __init__(self, lanes: int = 2) -> None:
        self.ran: list[list[str]] = []
        self.under_way = self.most_at_once = 0
        self.held: dict[str, asyncio.Event] = {}
        self.batches: Batches[str, str, str] = Batches(self.serve, lanes)

    def hold(self, *names: str) -> None:
        self.held |= {name: asyncio.Event() for name in names}

    async def serve(self, names: Sequence[str]) -> Mapping[str, str]:
        self.ran.append(list(names))
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        for name in names:
            if name in self.held:
                await self.held[name].wait()
        self.under_way -= 1
        return {name: name.upper() for name in names}

    def put(self, name: str) -> asyncio.Task[str | None]:
        return asyncio.create_task(self.batches.put(name, name))

    async def ran_so_many(self, many: int) -> None:
        async with asyncio.timeout(5):
            while len(self.ran) < many:
                await asyncio.sleep(0.001)


async def test_whoever_comes_while_a_statement_is_under_way_shares_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PATIENCE", 60.0)
    statements = Statements()
    statements.hold("a")
    first = statements.put("a")
    await statements.ran_so_many(1)
    others = [statements.put(name) for name in "bcd"]
    await asyncio.sleep(0.01)
    statements.held["a"].set()
    assert await asyncio.gather(first, *others) == ["A", "B", "C", "D"]
    assert statements.ran == [["a"], ["b", "c", "d"]]
    assert statements.most_at_once == 1


async def test_behind_a_statement_that_takes_long_another_lane_opens() -> None:
    statements = Statements()
    statements.hold("stuck")
    stuck = statements.put("stuck")
    await statements.ran_so_many(1)
    assert await asyncio.wait_for(statements.put("waits"), 5) == "WAITS"
    assert await asyncio.wait_for(statements.put("comes later"), 5) == "COMES LATER"
    assert not stuck.done()
    statements.held["stuck"].set()
    assert await stuck == "STUCK"


async def test_lanes_that_are_not_needed_any_more_close(monkeypatch: pytest.MonkeyPatch) -> None:
    statements = Statements()
    statements.hold("stuck", "a", "b")
    stuck = statements.put("stuck")
    await statements.ran_so_many(1)
    a = statements.put("a")
    await statements.ran_so_many(2)
    monkeypatch.setattr(batches, "PATIENCE", 60.0)
    statements.held["stuck"].set()
    assert await stuck == "STUCK"
    statements.held["a"].set()
    assert await a == "A"
    b = statements.put("b")
    await statements.ran_so_many(3)
    others = [statements.put(name) for name in "cd"]
    await asyncio.sleep(0.01)
    statements.held["b"].set()
    assert await asyncio.gather(b, *others) == ["B", "C", "D"]
    assert statements.ran[2:] == [["b"], ["c", "d"]]


async def test_no_more_lanes_open_than_there_may_be() -> None:
    statements = Statements()
    statements.hold("one", "two")
    stuck = [statements.put("one")]
    await statements.ran_so_many(1)
    stuck.append(statements.put("two"))
    await statements.ran_so_many(2)
    third = statements.put("three")
    await asyncio.sleep(10 * batches.PATIENCE)
    assert len(statements.ran) == 2
    statements.held["one"].set()
    assert await third == "THREE"
    statements.held["two"].set()
    assert await asyncio.gather(*stuck) == ["ONE", "TWO"]


@pytest.mark.parametrize("lanes", [1, 2, 3])
async def test_everyone_is_answered_however_long_statements_take(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PATIENCE", 0.001)
    chance = random.Random(lanes)
    under_way, most = 0, 0

    async def serve(numbers: Sequence[int]) -> Mapping[int, int]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(chance.choice([0, 0, 0, 0.0005, 0.001, 0.004]))
        under_way -= 1
        return {number: -number for number in numbers}

    gathered: Batches[int, int, int] = Batches(serve, lanes)

    async def caller(numbers: range) -> None:
        for number in numbers:
            assert await gathered.put(number, number) == -number
            await asyncio.sleep(chance.choice([0, 0, 0.002]))

    async with asyncio.timeout(30):
        await asyncio.gather(*(caller(range(start, start + 60)) for start in range(1, 1201, 60)))
        await gathered.finish()
    assert most <= lanes
    assert not gathered._waiting
    assert gathered._at_work == gathered._late == 0


async def test_a_caller_that_gives_up_takes_nobody_along() -> None:
    statements = Statements()
    statements.hold("a")
    first = statements.put("a")
    await statements.ran_so_many(1)
    gone, stays = statements.put("gone"), statements.put("stays")
    await asyncio.sleep(0)
    gone.cancel()
    statements.held["a"].set()
    assert await asyncio.gather(first, stays) == ["A", "STAYS"]

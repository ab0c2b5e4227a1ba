"""Budgets: written like 10/hour, spent several at once or not at all, exact whoever counts."""

from __future__ import annotations

import asyncio

import pytest

from gatepass.core import limits
from gatepass.core.errors import TooManyRequests
from gatepass.core.limits import Budget, Rate
from gatepass.core.schema import DAY, HOUR, MINUTE, SECOND
from harness import LOGIN, Server, serve


def budget(server: Server, *rates: Rate, name: str = "test") -> Budget:
    """A budget nobody else spends."""
    return Budget(name, rates, str(server.team.id))


async def spend(server: Server, *budgets: Budget) -> int:
    """Take one of each; 0, or the seconds to wait."""
    try:
        await server.runtime.transact(lambda unit: limits.spend(unit, *budgets))
    except TooManyRequests as refusal:
        return refusal.retry_after
    return 0


async def room(server: Server, budget: Budget) -> int:
    """The seconds until there is room, without spending."""
    return await server.runtime.read(lambda unit: limits.exhausted(unit, budget))


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("10/hour,20/day", (Rate(10, HOUR), Rate(20, DAY))),
        (" 1 / second , 3/minute ", (Rate(1, SECOND), Rate(3, MINUTE))),
        ("off", ()),
        (" OFF ", ()),
        ("5/day,5/day", (Rate(5, DAY),)),
    ],
)
def test_a_limit_is_written_as_people_say_it(text: str, rates: tuple[Rate, ...]) -> None:
    assert Rate.parse(text) == rates


@pytest.mark.parametrize(
    "text", ["", "10", "/hour", "0/hour", "-1/hour", "1.5/hour", "10/week", "10/hours", "10/hour,", "10000000000/day"]
)
def test_what_is_no_limit_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit"):
        Rate.parse(text)


async def test_a_budget_holds_exactly_its_count_and_starts_anew_after_its_period(server: Server) -> None:
    three = budget(server, Rate(3, HOUR))
    assert [await spend(server, three) for _ in range(4)] == [0, 0, 0, 3600]
    server.clock.advance(seconds=3599, ms=999)
    assert await spend(server, three) == 1
    server.clock.advance(ms=1)
    assert await spend(server, three) == 0


async def test_several_budgets_are_spent_together_or_not_at_all(server: Server) -> None:
    wide, narrow = budget(server, Rate(2, HOUR), name="wide"), budget(server, Rate(1, DAY), name="narrow")
    assert await spend(server, wide, narrow) == 0
    assert await spend(server, wide, narrow) == 86400
    assert await spend(server, wide) == 0
    assert await spend(server, wide) == 3600


async def test_every_rate_of_a_budget_must_have_room(server: Server) -> None:
    both = budget(server, Rate(2, HOUR), Rate(3, DAY))
    assert [await spend(server, both) for _ in range(3)] == [0, 0, 3600]
    server.clock.advance(seconds=3600)
    assert [await spend(server, both) for _ in range(2)] == [0, 82800]


async def test_no_rates_are_no_limit(server: Server) -> None:
    off = budget(server)
    assert [await spend(server, off) for _ in range(5)] == [0] * 5
    assert await room(server, off) == 0


async def test_what_was_taken_and_given_back_was_never_spent(server: Server) -> None:
    one = budget(server, Rate(1, HOUR))

    async def right_after_all(unit: object) -> None:
        await limits.spend(unit, one)  # type: ignore[arg-type]
        await limits.refund(unit, one)  # type: ignore[arg-type]

    for _ in range(3):
        await server.runtime.transact(right_after_all)
    assert await spend(server, one) == 0
    assert await spend(server, one) == 3600


async def test_looking_spends_nothing(server: Server) -> None:
    one = budget(server, Rate(1, HOUR))
    assert await room(server, one) == 0
    assert await spend(server, one) == 0
    assert await room(server, one) == 3600
    server.clock.advance(seconds=3600)
    assert await room(server, one) == 0


async def test_a_clock_that_jumped_back_freezes_no_budget(server: Server) -> None:
    """A host that came up years ahead, counted, and was then set right."""
    one = budget(server, Rate(1, HOUR))
    server.clock.advance(seconds=10 * 365 * 86400)
    assert await spend(server, one) == 0
    server.clock.advance(seconds=-10 * 365 * 86400)
    assert await room(server, one) == 0
    assert [await spend(server, one) for _ in range(2)] == [0, 3600]


async def test_hosts_whose_clocks_differ_a_little_share_one_budget(server: Server) -> None:
    """Also whoever waited for a lock: it comes with an instant from before the row's period began."""
    two = budget(server, Rate(2, HOUR))
    assert await spend(server, two) == 0
    server.clock.advance(seconds=-59)
    assert await spend(server, two) == 0
    assert await spend(server, two) > 0


async def test_a_budget_is_exact_under_parallel_spending(server: Server) -> None:
    ten = budget(server, Rate(10, HOUR), Rate(12, DAY))
    waits = await asyncio.gather(*(spend(server, ten) for _ in range(40)))
    assert sorted(waits)[:11] == [0] * 10 + [3600]


async def test_parallel_refunds_leave_a_budget_as_it_was(server: Server) -> None:
    three = budget(server, Rate(3, HOUR))

    async def right_after_all(unit: object) -> None:
        await limits.spend(unit, three)  # type: ignore[arg-type]
        await limits.refund(unit, three)  # type: ignore[arg-type]

    await asyncio.gather(*(server.runtime.transact(right_after_all) for _ in range(20)))
    assert [await spend(server, three) for _ in range(4)] == [0, 0, 0, 3600]


async def test_a_refused_request_tells_when_to_come_back(database_url: str) -> None:
    async with serve(database_url, code_cooldown=30) as server:
        await server.ask_for_code("ada@example.com")
        server.clock.advance(seconds=10)
        answer = await server.post(LOGIN, {"email": "ada@example.com"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "20")
        assert (await server.post(LOGIN, {"email": "bob@example.com"})).status_code == 200

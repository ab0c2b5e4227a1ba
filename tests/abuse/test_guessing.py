"""Guessing a code: how many guesses there are, whoever makes them, and what docs/reliability.md says the odds are."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from gatepass.core.limits import Limits, Rate
from gatepass.core.otp import otp_transactions
from gatepass.core.schema import DAY, HOUR
from gatepass.core.unit import Unit
from gatepass.settings import Settings
from harness import LOGIN, NO_LIMITS, VERIFY, Server, serve

PAGE = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
DEFAULTS: dict[str, Any] = {name: Settings.model_fields[name].default for name in NO_LIMITS}
STRANGERS = 24
DAYS = 2


@pytest.mark.parametrize("digits", [5, 6, 8])
def test_the_page_tells_the_odds_that_the_default_limits_leave(digits: int) -> None:
    guesses, codes = (3 if digits == 5 else 5), 10**digits
    (address,) = Limits().wrong_codes_per_address
    (client,) = Limits().wrong_codes_per_client
    assert (address.period, client.period) == (DAY, HOUR)
    told = (
        f"| {digits} digits | 1 in {_grouped(codes // guesses)} | 1 in {_grouped(codes // address.count)} "
        f"| {address.count * 365 / codes:.2g} | {client.count * 24 / codes:.2g} |"
    )
    shown = re.sub(r"([0-9.e-]+) %", lambda found: f"{float(found[1]) / 100:.2g}", PAGE)
    assert told in shown, told


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def test_the_page_tells_the_limits_as_they_are() -> None:
    limits = Limits()
    assert limits.wrong_codes_per_address == (Rate(25, DAY),)
    assert limits.codes_per_address == (Rate(10, HOUR), Rate(20, DAY))
    for phrase in ("25 wrong codes a day", "10 codes an hour and 20 a day", "100 wrong codes an hour"):
        assert phrase in PAGE


async def guesses_made(server: Server) -> int:
    """How many were looked at, by the count that the database keeps with each code."""

    async def count(unit: Unit) -> int:
        mine = otp_transactions.c.team_id == server.team.id
        return await unit.db.scalar(select(func.sum(otp_transactions.c.attempts)).where(mine)) or 0

    return await server.runtime.read(count)


async def test_many_strangers_together_have_the_guesses_of_one_and_the_owner_signs_in_meanwhile(
    database_url: str,
) -> None:
    """For two days, from two dozen addresses at once, as often as there is anything to gain."""
    async with serve(database_url, **DEFAULTS, expose_user_code=True) as server, AsyncExitStack() as stack:
        await server.sign_in("ada@example.com")
        strangers = [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(server.app, client=(f"198.51.100.{number}", 4711)),
                    base_url="http://gatepass.test",
                    headers={"x-api-key": server.production_key},
                )
            )
            for number in range(STRANGERS)
        ]

        async def ask(stranger: httpx.AsyncClient) -> str | None:
            answer = await stranger.post(LOGIN, json={"email": "a.da+x@example.com"})
            return answer.json()["data"]["transactionId"] if answer.status_code == 200 else None

        async def guess(stranger: httpx.AsyncClient, transaction: str, code: int) -> int:
            body = {"transactionId": transaction, "code": f"{code:06d}"}
            error: int = (await stranger.post(VERIFY, json=body)).json()["error"]["code"]
            return error

        before, per_day, asked = await guesses_made(server), [], []
        for _ in range(DAYS):
            for _ in range(8):
                for _ in range(3):
                    asked += [one for one in await asyncio.gather(*map(ask, strangers)) if one]
                    server.clock.advance(seconds=31)
                tries = [(one, number) for one in asked[-20:] for number in range(6)]
                said = await asyncio.gather(
                    *(guess(strangers[at % STRANGERS], *one) for at, one in enumerate(tries)),
                )
                assert set(said) <= {1000, 1110, 1111, 1140}
                await server.sign_in("ada@example.com")
                server.clock.advance(seconds=3 * 3600)
            per_day.append(await guesses_made(server) - before - 8)
            before = await guesses_made(server)
        assert per_day == [Limits().wrong_codes_per_address[0].count] * DAYS
        assert len(asked) == 20 * DAYS - 1, "the owner, not known yet, took the first one"

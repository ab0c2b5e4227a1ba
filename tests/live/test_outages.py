"""PostgreSQL restarted and out of reach, under load, the server never restarted."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest

import figures
from crowd import at_work, good_answer_after
from postgres import Cluster
from relay import Relay

pytestmark = pytest.mark.live

RESTARTS = 10
BETWEEN = 1.0
"""Seconds of work between two restarts."""
WORKING_LIMIT = 30.0
"""Seconds in which a crowd whose server is well gets its next answer, however busy the machine."""
OUTAGE = 60.0
"""Seconds that the database is away."""
RETURN_LIMIT = 2.0
"""Seconds from the database's return to the first good answer."""


async def health_of(url: str) -> tuple[int, int]:
    """The statuses of /livez and /readyz."""
    async with httpx.AsyncClient(base_url=url, timeout=10) as http:
        return (await http.get("/livez")).status_code, (await http.get("/readyz")).status_code


async def settled_health(url: str, expected: tuple[int, int], limit: float) -> None:
    """Wait until health is as *expected*; fails after *limit* seconds."""
    async with asyncio.timeout(limit):
        while await health_of(url) != expected:
            await asyncio.sleep(0.05)


async def test_restarts_of_postgresql_under_load_lose_nothing(own_postgres: Cluster, tmp_path: Path) -> None:
    returns = []
    async with at_work(own_postgres.create_database("restarted"), tmp_path) as (people, server):
        for _ in range(RESTARTS):
            await good_answer_after(people, time.monotonic() + BETWEEN, WORKING_LIMIT)
            await asyncio.to_thread(own_postgres.stop, "immediate")
            await asyncio.to_thread(own_postgres.boot)
            returns.append(await good_answer_after(people, time.monotonic(), RETURN_LIMIT))
        await settled_health(server.url, (200, 200), RETURN_LIMIT)
    ledger = people.ledger
    assert ledger.count("503") > RESTARTS / 2, "the restarts were not under load"
    figures.publish(
        "postgresql-restarted",
        f"{RESTARTS} restarts: {ledger.count('200')} acknowledged answers, {ledger.count('503')} times 503, "
        f"0 other failures; 0 lost; first good answer at most {max(returns):.2f} s after each return",
    )


@pytest.mark.parametrize("how", ["stopped", "silent"])
async def test_a_minute_without_postgresql_is_told_honestly_and_over_at_once(
    own_postgres: Cluster, tmp_path: Path, how: str
) -> None:
    direct = own_postgres.create_database("away")
    async with Relay(own_postgres.port) as relay:
        through_relay = direct.replace(f":{own_postgres.port}/", f":{relay.port}/")
        async with at_work(through_relay, tmp_path) as (people, server):
            await good_answer_after(people, time.monotonic(), WORKING_LIMIT)
            began = time.monotonic()
            if how == "stopped":
                await asyncio.to_thread(own_postgres.stop, "immediate")
            else:
                relay.fall_silent()
            await settled_health(server.url, (200, 503), 20)
            await asyncio.sleep(OUTAGE - (time.monotonic() - began))
            assert await health_of(server.url) == (200, 503)
            if how == "stopped":
                await asyncio.to_thread(own_postgres.boot)
            else:
                relay.speak_again()
            returned = time.monotonic()
            took = await good_answer_after(people, returned, RETURN_LIMIT)
            await settled_health(server.url, (200, 200), RETURN_LIMIT)
    ledger = people.ledger
    assert ledger.count("503") > OUTAGE, "the outage was not under load"
    figures.publish(
        f"postgresql-{how}",
        f"{OUTAGE:.0f} s: {ledger.count('503')} times 503, 0 other failures, slowest answer {ledger.slowest:.1f} s; "
        f"0 lost; first good answer {took:.2f} s after the return",
    )

"""`kill -9` of every worker at random moments under load."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

import figures
import fleet
from crowd import crowd, good_answer_after
from postgres import free_port

pytestmark = pytest.mark.live

KILLS = 50
SEED = 7
DYING = 0.2
"""Seconds in which answers of the dead may still arrive."""
RECOVERY_LIMIT = 30.0
"""Seconds for new workers to start on a busy machine; how long it took is published."""


async def test_fifty_kills_lose_no_session_and_revive_none(
    live_database_url: str, database_name: str, tmp_path: Path
) -> None:
    port, chance = free_port(), random.Random(SEED)
    settings = fleet.settings_for(live_database_url, port)
    deployment = await fleet.deploy(settings)
    began, outages = time.monotonic(), []
    async with fleet.serve(tmp_path, port, settings) as server:
        async with crowd(deployment, seed=SEED) as people:
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.3, 1.2))
                fleet.kill(fleet.workers_of(server))
                outages.append(await good_answer_after(people, time.monotonic() + DYING, RECOVERY_LIMIT) + DYING)
        took = time.monotonic() - began
    ledger = people.ledger
    assert ledger.count("dropped") > KILLS / 2, "the kills were not under load"
    outages.sort()
    figures.publish(
        f"kills-{database_name}",
        f"{KILLS} kills in {took:.0f} s: {ledger.count('200')} acknowledged answers, {ledger.count('dropped')} dropped, "
        f"{len(ledger.ended)} sessions ended; 0 lost, 0 alive again; back after {outages[KILLS // 2]:.1f} s (median), "
        f"{outages[-1]:.1f} s (longest)",
    )

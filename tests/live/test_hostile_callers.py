"""A plain `gatepass serve` under a crowd of hostile callers: they are gone soon, and phones do not notice them."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from figures import publish
from served import MB, percentile, served

pytestmark = pytest.mark.live

HELD_AT_MOST = 15.0
P99 = 0.250
GROWTH = 50 * MB
REFUSED = {"400", "401", "403", "413", "429", "431", "closed"}


async def test_hostile_callers_are_closed_while_phones_refresh(
    live_database_url: str, database_name: str, tmp_path: Path
) -> None:
    async with served(live_database_url, tmp_path) as server:
        phones = [await server.sign_in(f"phone-{number}@example.com") for number in range(4)]
        async with asyncio.TaskGroup() as group:
            at_work = [group.create_task(server.refresh_for_ever(phone["refreshToken"], 0.05)) for phone in phones]
            await until(lambda: len(server.took) > 200)
            alone = percentile(server.took, 0.99)
            server.took.clear()
            before = most = server.weight()
            crowd = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).with_name("hostile.py")),
                str(server.port),
                stdout=asyncio.subprocess.PIPE,
            )
            told = asyncio.ensure_future(crowd.communicate())
            while not told.done():
                await asyncio.wait([told], timeout=0.2)
                most = max(most, server.weight())
            for phone in at_work:
                phone.cancel()
        fared = json.loads((await told)[0])
        print(json.dumps(fared, indent=1))

    for name, kind in fared.items():
        assert kind["held"] == 0, name
        assert kind["longest"] < HELD_AT_MOST, name
        assert name == "idle keep-alives" or kind["answers"].keys() <= REFUSED, name
    assert fared["idle keep-alives"]["answers"].keys() == {"200"}
    assert percentile(server.took, 0.99) < P99, f"{alone:.3f} s before the crowd came"
    assert most - before < GROWTH
    publish(
        f"hostile-{database_name}",
        f"all {sum(kind['count'] for kind in fared.values())} gone within "
        f"{max(kind['longest'] for kind in fared.values()):.1f} s; meanwhile {len(server.took)} refreshes, p99 "
        f"{percentile(server.took, 0.99) * 1000:.0f} ms; {(most - before) / MB:.0f} MB grown",
    )


async def until(reached: object) -> None:
    async with asyncio.timeout(60):
        while not reached():  # type: ignore[operator]
            await asyncio.sleep(0.05)

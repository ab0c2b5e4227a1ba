"""The primary dies under load and its synchronous standby takes over, behind a URL that names both."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

import commands
import figures
from crowd import at_work, good_answer_after
from harness import SECRET
from postgres import PREFIX, Cluster, free_port

pytestmark = pytest.mark.live

FAILOVERS = 3
DYING = 0.2
"""Seconds in which a dying primary may still answer."""
AFTER_PROMOTION = 2.0
"""Seconds from the standby's promotion to the first good answer."""


@contextmanager
def standby_of(primary: Cluster) -> Iterator[Cluster]:
    """A streaming standby, running."""
    home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{_pid_of(primary)}-"))
    if primary.user:
        shutil.chown(home, primary.user)
    standby = Cluster(primary.bin, home / "data", free_port(), primary.user)
    try:
        primary._run(
            *("pg_basebackup", "-h", "127.0.0.1", "-p", str(primary.port), "-U", "gatepass"),
            *("-D", str(standby.data), "--write-recovery-conf", "--checkpoint", "fast", "--no-sync"),
        )
        standby.boot()
        yield standby
    finally:
        standby.remove()


def _pid_of(cluster: Cluster) -> str:
    return cluster.data.parent.name.split("-")[2]


async def wait_for_standbys(primary: Cluster) -> None:
    """Have every commit wait for one standby, and see that one is there to be waited for."""
    db = await asyncpg.connect(f"postgresql://gatepass@127.0.0.1:{primary.port}/postgres")
    try:
        await db.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await db.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(30):
            while await db.fetchval("SELECT sync_state FROM pg_stat_replication") != "sync":
                await asyncio.sleep(0.05)
    finally:
        await db.close()


def url_of(*clusters: Cluster) -> str:
    hosts = ",".join(f"127.0.0.1:{cluster.port}" for cluster in clusters)
    return f"postgresql://gatepass@{hosts}/failover?target_session_attrs=read-write"


async def test_a_promotion_loses_no_acknowledged_write(tmp_path: Path) -> None:
    outages, promotions, acknowledged, unavailable = [], [], 0, 0
    for number in range(FAILOVERS):
        room = tmp_path / str(number)
        room.mkdir()
        primary = Cluster.start()
        try:
            primary.create_database("failover")
            with standby_of(primary) as standby:
                await wait_for_standbys(primary)
                url = url_of(standby, primary)
                async with at_work(url, room, seed=number) as (people, _):
                    await asyncio.sleep(3)
                    died = time.monotonic()
                    await asyncio.to_thread(primary.stop, "immediate")
                    await asyncio.to_thread(standby._run, "pg_ctl", "-D", str(standby.data), "-w", "promote")
                    promotions.append(time.monotonic() - died)
                    outages.append(await good_answer_after(people, died + DYING, 60) + DYING)
                    assert outages[-1] < promotions[-1] + AFTER_PROMOTION
                    await asyncio.sleep(2)
                status = await asyncio.to_thread(
                    commands.run, "migrate", "status", cwd=room, database_url=url, secret_key=SECRET
                )
                assert status.returncode == 0, status.stderr
                acknowledged += people.ledger.count("200")
                unavailable += people.ledger.count("503")
        finally:
            primary.remove()
    assert unavailable > FAILOVERS, "the failovers were not under load"
    figures.publish(
        "postgresql-promoted",
        f"{FAILOVERS} promotions under load: {acknowledged} acknowledged answers, {unavailable} times 503, 0 other "
        f"failures; 0 lost; promotions took {min(promotions):.1f} to {max(promotions):.1f} s, "
        f"outages {min(outages):.1f} to {max(outages):.1f} s",
    )

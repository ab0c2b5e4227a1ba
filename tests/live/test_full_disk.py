"""The disk under SQLite is full, under load, and has room again."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import figures
from crowd import at_work, good_answer_after

pytestmark = pytest.mark.live

SIZE = 24
"""MiB of the disk."""
FULL_FOR = 20.0
"""Seconds that it stays full after the first write failed."""
FILLING_LIMIT = 60.0
"""Seconds until the first write fails: SQLite goes on in the pages it has for a while."""
IDLE = 10
RETURN_LIMIT = 2.0
"""Seconds from the first free byte to the next good refresh."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", disk], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a disk to fill takes root: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(ballast: Path) -> None:
    """Take every byte that is free."""
    with ballast.open("ab", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(os.urandom(size))
            except OSError:
                size //= 2


async def test_a_full_disk_stops_writes_alone_and_harms_nothing(disk: Path, tmp_path: Path) -> None:
    database, ballast = disk / "gatepass.db", disk / "ballast"
    async with at_work(f"sqlite:///{database}", tmp_path) as (people, server):
        ledger = people.ledger
        unread = await people.welcome(IDLE)  # their tokens arrived, which nobody knows: the next read wants to note it
        await good_answer_after(people, time.monotonic() + 2, 10)
        async with asyncio.timeout(FILLING_LIMIT):
            while not ledger.count("503"):
                fill(ballast)
                await asyncio.sleep(0.05)
        before = ledger.answers.copy()
        ends = time.monotonic() + FULL_FOR
        while time.monotonic() < ends:
            fill(ballast)
            await asyncio.gather(*(phone.use() for phone in unread))
            await asyncio.sleep(0.2)
        while_full = ledger.answers - before
        ballast.unlink()
        room = time.monotonic()
        refreshed = ledger.answers["refresh 200"]
        async with asyncio.timeout(RETURN_LIMIT):
            while ledger.answers["refresh 200"] == refreshed:
                await asyncio.sleep(0.01)
        took = time.monotonic() - room
    assert while_full["refresh 503"] > FULL_FOR, dict(while_full)
    assert while_full["use 200"] >= 10 * IDLE, dict(while_full)
    assert "receipt_not_written" in server.log
    assert ledger.answers["use 503"] == 0, "a read failed"
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    figures.publish(
        "sqlite-full",
        f"{FULL_FOR:.0f} s: {sum(many for what, many in while_full.items() if what.endswith(' 503'))} writes told 503, "
        f"{while_full['use 200']} reads, none failed; 0 lost; first good write {took:.2f} s after there was room; "
        "integrity_check ok",
    )

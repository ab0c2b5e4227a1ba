"""The two applications that do nothing more than they must, brought up as contestants."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from machine import Process, free_port

from contestants import raw
from contestants.stage import Contestant, Lane, Stage, Target

HERE = Path(__file__).resolve().parent


@contextmanager
def _raw(stage: Stage) -> Iterator[Lane]:
    room, port, url = stage.room("raw"), free_port(), stage.database("raw")
    pool = room / "pool"
    pool.write_text("".join(f"{token}\n" for token in asyncio.run(_seed(url, stage.pool))))
    process = Process.start(
        [sys.executable, HERE / "raw.py", str(port), url], port=port, directory=room, cores=stage.cores
    )
    try:
        process.wait_until("/")
        yield Lane(process, Target(process.url + "/token", "form_refresh", pool))
    finally:
        process.stop()


async def _seed(url: str, count: int) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(raw.SCHEMA)
        rows = [(uuid.uuid4(), uuid.uuid4(), 0, 0) for _ in range(count)]
        await connection.copy_records_to_table("sessions", records=rows)
        return [f"{row[0].hex}0" for row in rows]
    finally:
        await connection.close()


@contextmanager
def _fastapi(stage: Stage) -> Iterator[Lane]:
    room, port = stage.room("fastapi"), free_port()
    pool = room / "pool"
    pool.write_text("GET\t/profile\t\n")
    process = Process.start(
        [sys.executable, HERE / "bare_fastapi.py", str(port)], port=port, directory=room, cores=stage.cores
    )
    try:
        process.wait_until("/profile")
        given = {"EXPECTED": '"sub"', "ONCE": "0"}
        yield Lane(process, Target(process.url + "/", "requests", pool, given), uses_database=False)
    finally:
        process.stop()


RAW = Contestant("raw", _raw)
FASTAPI = Contestant("fastapi", _fastapi)

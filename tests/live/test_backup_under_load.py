"""`gatepass backup` beside a busy server, and what is in the copy."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

import commands
import figures
import fleet
from crowd import Crowd, at_work, good_answer_after
from gatepass.adapters.database import Database
from gatepass.core import refresh_tokens
from gatepass.core.server_secret import ServerSecret
from gatepass.core.sessions import sessions
from harness import SECRET
from ledger import Ledger
from phones import Phone
from postgres import Cluster, free_port

pytestmark = pytest.mark.live

BACKUPS = 5
WORKING_LIMIT = 30.0
"""Seconds in which a crowd gets its next answer, however busy the machine."""


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, database_name: str, tmp_path: Path) -> str:
    """An empty database of the kind that the test runs on, to restore into."""
    if database_name == "sqlite":
        return f"sqlite:///{tmp_path / 'restored.db'}"
    postgres: Cluster = request.getfixturevalue("postgres")
    return postgres.create_database("restored_under_load")


def read(token: str) -> refresh_tokens.RefreshToken:
    return refresh_tokens.parse(ServerSecret(SECRET), token)


@dataclasses.dataclass
class Acknowledged:
    """What phones had been told at one moment: which generation of which session, and what had ended."""

    generations: dict[UUID, int]
    ended: set[UUID]

    @classmethod
    def by(cls, people: Crowd) -> Acknowledged:
        ended = {read(one.refresh_token).session_id for one in people.ledger.ended}
        held = [read(phone.refresh_token) for phone in people.phones if phone.refresh_token]
        return cls({token.session_id: token.generation for token in held if token.session_id not in ended}, ended)


async def test_a_backup_of_a_busy_server_holds_all_that_was_acknowledged_before_it(
    live_database_url: str, database_name: str, elsewhere: str, tmp_path: Path
) -> None:
    took, meanwhile = [], 0
    async with at_work(live_database_url, tmp_path) as (people, _):
        for number in range(BACKUPS):
            await good_answer_after(people, time.monotonic() + 1, WORKING_LIMIT)
            file, before, began = tmp_path / f"{number}.backup", Acknowledged.by(people), time.monotonic()
            await gatepass("backup", str(file), cwd=tmp_path, url=live_database_url)
            took.append(time.monotonic() - began)
            meanwhile += sum(began < at < began + took[-1] for at in people.ledger.good)
        slowest = people.ledger.slowest
    await gatepass("restore", str(file), "--check", cwd=tmp_path, url=live_database_url)
    await gatepass("restore", str(file), cwd=tmp_path, url=elsewhere)

    assert len(before.generations) > len(people.phones) / 2
    assert before.ended, "nobody had signed out yet"
    held, ended = await contents_of(elsewhere)
    assert {one: (held.get(one), told) for one, told in before.generations.items() if held.get(one, -1) < told} == {}
    assert before.ended <= ended
    if database_name == "sqlite":
        with closing(sqlite3.connect(elsewhere.removeprefix("sqlite:///"))) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    again = await signed_in_still(elsewhere, tmp_path, people, before)
    figures.publish(
        f"backup-{database_name}",
        f"{BACKUPS} backups of {min(took):.1f} to {max(took):.1f} s under load, {meanwhile} answers meanwhile, slowest "
        f"{slowest:.1f} s; in the last, restored: of {len(before.generations)} sessions of before its beginning 0 missing, "
        f"of {len(before.ended)} ended 0 alive; {again} of {again} phones refreshed on it",
    )


async def gatepass(*words: str, cwd: Path, url: str) -> None:
    done = await asyncio.to_thread(commands.run, *words, cwd=cwd, database_url=url, secret_key=SECRET)
    assert done.returncode == 0, done.stderr


async def contents_of(url: str) -> tuple[dict[UUID, int], set[UUID]]:
    """The generation of every session in a database, and which have ended."""
    database = Database(url)
    try:
        async with database.engine.connect() as db:
            rows = (await db.execute(select(sessions.c.id, sessions.c.generation, sessions.c.ended_at))).all()
    finally:
        await database.dispose()
    return {row.id: row.generation for row in rows}, {row.id for row in rows if row.ended_at is not None}


async def signed_in_still(url: str, directory: Path, people: Crowd, before: Acknowledged) -> int:
    """Have every phone whose session was in the backup refresh on the restored server; how many did. All must."""
    port = free_port()
    room = directory / "restored"
    room.mkdir()
    async with (
        fleet.serve(room, port, fleet.settings_for(url, port)),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http,
    ):
        phones = [phone for phone in people.phones if read(phone.refresh_token).session_id in before.generations]
        for phone in phones:
            assert (await refreshed(phone, http)).status_code == 200
    assert phones, "every phone has signed in anew since"
    return len(phones)


async def refreshed(phone: Phone, http: httpx.AsyncClient) -> httpx.Response:
    """The answer to *phone* with its newest token, from another server."""
    moved = type(phone)(phone.name, phone.deployment, http, Ledger())
    return await moved.ask_for_refresh(phone.refresh_token)

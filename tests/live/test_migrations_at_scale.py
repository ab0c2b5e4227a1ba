"""Every migration, up and down again, on a hundred thousand users with a session each: no row changes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from figures import publish
from filled import MANY, columns_of, digest, fill
from gatepass.adapters import migrations
from gatepass.adapters.database import Database

pytestmark = pytest.mark.live


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(migrations.scripts()))
    return [script.revision for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]


async def test_every_step_goes_up_and_down_with_every_row_as_it_was(live_database_url: str, database_name: str) -> None:
    database = Database(live_database_url)
    first, *later = revisions()
    try:
        await migrations.up(database, first)
        await fill(database)
        columns = await columns_of(database)
        before = await digest(database, columns)
        assert all(counted.startswith(f"{MANY} ") for counted in before.values())
        longest = 0.0
        for revision in later:
            for step in (_up_to(revision), migrations.down, _up_to(revision)):
                began = time.perf_counter()
                await step(database)
                longest = max(longest, time.perf_counter() - began)
                assert await digest(database, columns) == before, revision
        for _ in later:
            await migrations.down(database)
        assert await digest(database, columns) == before
        assert await columns_of(database) == columns
    finally:
        await database.dispose()
    publish(
        f"migrations-{database_name}",
        f"{len(later)} steps up and down on {MANY:,} users and as many sessions, every row as before; the longest took "
        f"{longest:.1f} s",
    )


def _up_to(revision: str) -> Callable[[Database], object]:
    return lambda database: migrations.up(database, revision)

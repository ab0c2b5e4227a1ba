"""The schema's history: where it stands, and moving it (alembic, scripts shipped in the wheel)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from gatepass.adapters.database import Database


def scripts() -> Path:
    """The migration scripts: inside an installed package, or beside the source tree of an editable install."""
    package = Path(__file__).parents[1]
    shipped = package / "migrations"
    return shipped if shipped.is_dir() else package.parents[1] / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    return config


@cache
def head() -> str:
    """The revision that this build wants."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


@cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def is_known(revision: str | None) -> bool:
    """Whether this build knows how a database of that revision looks."""
    return revision in _known()


async def current(db: AsyncConnection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    return await db.run_sync(lambda connection: MigrationContext.configure(connection).get_current_revision())


async def is_behind(db: AsyncConnection) -> bool:
    """Whether the database lacks what this build wants. One that a newer build migrated is ahead, and serves both."""
    revision = await current(db)
    return revision != head() and (revision is None or revision in _known())


async def is_current(db: AsyncConnection) -> bool:
    """Whether the database is where this build wants it."""
    return await current(db) == head()


async def up(database: Database, revision: str = "head") -> None:
    """Migrate forward. Safe to call when nothing is to do."""
    await _run(database, lambda config: command.upgrade(config, revision))


async def down(database: Database, revision: str = "-1") -> None:
    """Migrate back, by default one step."""
    await _run(database, lambda config: command.downgrade(config, revision))


async def _run(database: Database, do: object) -> None:
    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        do(config)  # type: ignore[operator]

    async with database.writing(), database.engine.connect() as opened:
        db = await opened.execution_options(gatepass_writes=True)
        if not database.is_sqlite:
            await db.run_sync(run)
            await db.commit()
            return
        # A table that is made anew is dropped meanwhile, which its referrers must overlook
        # (sqlite.org/lang_altertable.html, section 7). The pragma counts only outside of a transaction.
        driver: Any = (await db.get_raw_connection()).driver_connection
        await driver.execute("PRAGMA foreign_keys=OFF")
        try:
            await db.run_sync(run)
            dangling = (await db.exec_driver_sql("PRAGMA foreign_key_check")).first()
            assert dangling is None, f"a migration left a row of {dangling} without what it refers to"
            await db.commit()
        finally:
            await db.rollback()
            await driver.execute("PRAGMA foreign_keys=ON")

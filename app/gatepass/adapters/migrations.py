"""The schema's history: where it stands, and moving it (alembic, scripts shipped in the wheel).

A server only asks where it stands, so alembic, with what it brings some 6 MiB, is imported by who migrates.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gatepass.adapters.database import Database

_SCRIPT = re.compile(r"(?P<revision>[0-9]{4})_[a-z0-9_]+\.py")


def scripts() -> Path:
    """The migration scripts: inside an installed package, or beside the source tree of an editable install."""
    package = Path(__file__).parents[1]
    shipped = package / "migrations"
    return shipped if shipped.is_dir() else package.parents[1] / "migrations"


@cache
def _known() -> tuple[str, ...]:
    """Every revision that this build knows, in order: scripts are named by theirs."""
    names = (_SCRIPT.fullmatch(path.name) for path in (scripts() / "versions").iterdir())
    return tuple(sorted(name["revision"] for name in names if name))


def head() -> str:
    """The revision that this build wants."""
    return _known()[-1]


def is_known(revision: str | None) -> bool:
    """Whether this build knows how a database of that revision looks."""
    return revision in _known()


async def current(db: AsyncConnection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if not await db.run_sync(lambda connection: inspect(connection).has_table("alembic_version")):
        return None
    revision: str | None = await db.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


async def is_behind(db: AsyncConnection) -> bool:
    """Whether the database lacks what this build wants. One that a newer build migrated is ahead, and serves both."""
    revision = await current(db)
    return revision != head() and (revision is None or revision in _known())


async def is_current(db: AsyncConnection) -> bool:
    """Whether the database is where this build wants it."""
    return await current(db) == head()


async def up(database: Database, revision: str = "head") -> None:
    """Migrate forward. Safe to call when nothing is to do."""
    from alembic import command

    await _run(database, lambda config: command.upgrade(config, revision))


async def down(database: Database, revision: str = "-1") -> None:
    """Migrate back, by default one step."""
    from alembic import command

    await _run(database, lambda config: command.downgrade(config, revision))


async def _run(database: Database, do: object) -> None:
    from alembic.config import Config

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(scripts()))
        config.attributes["connection"] = connection
        do(config)  # type: ignore[operator]

    if not database.is_sqlite:
        patient = database.patient()
        try:
            async with patient.engine.connect() as db:
                await db.run_sync(run)
                await db.commit()
        finally:
            await patient.dispose()
        return
    async with database.writing(), database.engine.connect() as opened:
        db = await opened.execution_options(gatepass_writes=True)
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

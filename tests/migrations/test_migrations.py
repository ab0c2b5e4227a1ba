"""The migrations build exactly what the models describe, on both databases, and every step goes both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from gatepass.adapters import database as databases
from gatepass.adapters import migrations, postgres_server
from gatepass.adapters.database import Database
from gatepass.core import tables
from postgres import Cluster

_numbers = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], Database]]:
    """Makes databases without a table."""
    made: list[Database] = []

    def make() -> Database:
        name = f"migrations_{next(_numbers)}"
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / name}.db"
        else:
            url = request.getfixturevalue("postgres").create_database(name)
        made.append(Database(url))
        return made[-1]

    yield make
    for database in made:
        await database.dispose()


def revisions() -> list[str]:
    """Every revision there is, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(migrations.scripts()))
    return [script.revision for script in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]


def shape(connection: Connection) -> dict[str, list[str]]:
    """Every table as the database itself tells it: columns, keys, constraints and indexes, partial ones with their
    condition."""
    inspector = inspect(connection)
    return {
        f"{kind} of {table}": sorted(plainly(row) for row in rows)
        for table in inspector.get_table_names()
        if table != "alembic_version"
        for kind, rows in {
            "columns": inspector.get_columns(table),
            "primary key": [inspector.get_pk_constraint(table)],
            "foreign keys": inspector.get_foreign_keys(table),
            "unique constraints": inspector.get_unique_constraints(table),
            "checks": inspector.get_check_constraints(table),
            "indexes": inspector.get_indexes(table),
        }.items()
    }


def plainly(described: Any) -> str:
    """One line of text for what an inspector returns; two equal things read alike."""
    if isinstance(described, dict):
        return ", ".join(f"{key}={plainly(value)}" for key, value in sorted(described.items()))
    return str(described)


async def shape_of(database: Database) -> dict[str, list[str]]:
    async with database.engine.connect() as db:
        return await db.run_sync(shape)


async def test_alembic_finds_nothing_to_generate(empty: Callable[[], Database]) -> None:
    database = empty()
    await migrations.up(database)

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, tables.metadata))

    async with database.engine.connect() as db:
        assert await db.run_sync(differences) == []


async def test_the_database_tells_the_same_story_whether_migrated_or_made_from_the_models(
    empty: Callable[[], Database],
) -> None:
    """Autogenerate compares neither the names of constraints nor the conditions of partial indexes."""
    migrated, modelled = empty(), empty()
    await migrations.up(migrated)
    async with modelled.engine.connect() as db:
        await db.run_sync(tables.metadata.create_all)
        await db.commit()

    assert await shape_of(migrated) == await shape_of(modelled)


async def test_every_table_of_the_core_is_gathered_for_the_migrations() -> None:
    assert {table.name for table in tables.ALL} == set(tables.metadata.tables)


async def test_each_step_goes_up_and_down_and_up_again(empty: Callable[[], Database]) -> None:
    database = empty()
    before = await shape_of(database)
    for revision in revisions():
        await migrations.up(database, revision)
        after = await shape_of(database)
        await migrations.down(database)
        assert await shape_of(database) == before, f"{revision} leaves something behind"
        await migrations.up(database, revision)
        assert await shape_of(database) == after
        before = after

    async with database.engine.connect() as db:
        assert await migrations.is_current(db)


async def test_an_empty_database_is_at_no_revision_and_a_migrated_one_at_the_last(
    empty: Callable[[], Database],
) -> None:
    database = empty()
    async with database.engine.connect() as db:
        assert await migrations.current(db) is None
        assert not await migrations.is_current(db)

    await migrations.up(database)

    async with database.engine.connect() as db:
        assert await migrations.current(db) == migrations.head() == revisions()[-1]


async def test_migrating_a_current_database_changes_nothing(empty: Callable[[], Database]) -> None:
    database = empty()
    await migrations.up(database)
    before = await shape_of(database)

    await migrations.up(database)

    assert await shape_of(database) == before


def test_the_history_is_one_line_that_names_its_files_by_number() -> None:
    """Two heads, or files that do not sort as they run, are how a merge goes wrong unseen."""
    files = sorted(path.name for path in (migrations.scripts() / "versions").glob("*.py"))
    assert [name.partition("_")[0] for name in files] == revisions()


async def test_a_migration_may_take_longer_than_any_request(postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """To index the audit log of a year, for one."""
    monkeypatch.setattr(databases, "STATEMENT_LIMIT", 0.1)
    monkeypatch.setattr(databases, "UNWATCHED_LIMIT", 0.2)
    monkeypatch.setattr(postgres_server, "UNWATCHED_LIMIT", 0.2)
    database = Database(postgres.create_database(f"migrations_{next(_numbers)}"))
    asked: list[object] = []

    def slowly(config: Config) -> None:
        asked.append(config.attributes["connection"].exec_driver_sql("select pg_sleep(0.5), 1").one()[1])

    try:
        await migrations._run(database, slowly)
        with pytest.raises(DBAPIError):
            async with database.engine.connect() as db:
                await db.exec_driver_sql("select pg_sleep(0.5), 1")
    finally:
        await database.dispose()
    assert asked == [1]

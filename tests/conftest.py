"""Fixtures: one database of each kind per test process, a fresh server and a fresh team per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gatepass.adapters import migrations
from gatepass.adapters.database import Database
from harness import Server, serve
from postgres import Cluster, NoPostgres


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A PostgreSQL cluster of this test process's own, on a free port of the loopback interface."""
    try:
        cluster = Cluster.start(tmp_path_factory.mktemp("postgres"))
    except NoPostgres as missing:
        missing.fail_or_skip()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
async def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated SQLite file."""
    url = f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'gatepass.db'}"
    await _migrate(url)
    return url


@pytest.fixture(scope="session")
async def postgres_url(postgres: Cluster) -> str:
    """A migrated PostgreSQL database."""
    url = postgres.create_database("gatepass")
    await _migrate(url)
    return url


async def _migrate(url: str) -> None:
    database = Database(url)
    await migrations.up(database)
    await database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Stories about storage run on both databases."""
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    """A server under a manual clock, with a fresh team, on each database."""
    async with serve(database_url) as running:
        yield running


@pytest.fixture
async def sqlite_server(sqlite_url: str) -> AsyncIterator[Server]:
    """The same on SQLite only, for what does not touch storage."""
    async with serve(sqlite_url) as running:
        yield running


@pytest.fixture
def free_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that no `.env` is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path

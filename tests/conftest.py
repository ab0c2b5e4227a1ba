"""Fixtures: one database of each kind per test process, a fresh server and a fresh team per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gatepass.adapters import migrations
from gatepass.adapters.database import Database
from harness import Lending, Server
from postgres import Cluster, cluster
from reports import pytest_report_to_serializable  # noqa: F401 -- a hook

pytest_plugins = ["leaks"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL cluster of this test process's own, on a free port of the loopback interface."""
    with cluster() as started:
        yield started


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


@pytest.fixture(scope="session")
async def sqlite_url_of_processes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated SQLite file for server processes: their workers would take the mails of servers in this process."""
    url = f"sqlite:///{tmp_path_factory.mktemp('sqlite-of-processes') / 'gatepass.db'}"
    await _migrate(url)
    return url


@pytest.fixture(scope="session")
async def postgres_url_of_processes(postgres: Cluster) -> str:
    """The same in PostgreSQL."""
    url = postgres.create_database("processes")
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


@pytest.fixture(scope="session")
async def lending() -> AsyncIterator[Lending]:
    """The servers of this test process. Alive from the first test to the last, it keeps their event loop, too."""
    async with AsyncExitStack() as stack:
        yield Lending(stack)


@pytest.fixture
async def server(lending: Lending, database_url: str) -> AsyncIterator[Server]:
    """A server under a manual clock, with a fresh team, on each database."""
    async with lending.lend(database_url) as lent:
        yield lent


@pytest.fixture
async def sqlite_server(lending: Lending, sqlite_url: str) -> AsyncIterator[Server]:
    """The same on SQLite only, for what does not touch storage."""
    async with lending.lend(sqlite_url) as lent:
        yield lent


@pytest.fixture
def free_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that no `.env` is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path

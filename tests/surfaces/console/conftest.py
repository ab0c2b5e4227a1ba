from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from operator_at_work import Visitor, at_work

from gatepass.adapters import migrations
from gatepass.adapters.database import Database
from harness import Server, serve

_numbers = count(1)


@pytest.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that has no operator yet."""
    url = f"sqlite:///{tmp_path / 'fresh.db'}"
    database = Database(url)
    await migrations.up(database)
    await database.dispose()
    async with serve(url) as server:
        yield server


@pytest.fixture
def name() -> str:
    """What no operator is called yet: operators belong to the whole database, which the tests of a process share."""
    return f"ada-{next(_numbers)}"


@pytest.fixture
async def operator(server: Server, name: str) -> AsyncIterator[Visitor]:
    """Signed in, on each database."""
    visitor = await at_work(server, name)
    yield visitor
    await visitor.client.aclose()

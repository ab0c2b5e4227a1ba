"""Every answer that these tests get is checked against the contract; most of them speak as a customer's backend."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from junction_contract import watch

from backend import Backend, new_backend
from harness import Server, serve


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    async with serve(database_url) as running:
        yield watch(running)


@pytest.fixture
async def sqlite_server(sqlite_url: str) -> AsyncIterator[Server]:
    async with serve(sqlite_url) as running:
        yield watch(running)


@pytest.fixture
async def backend(server: Server) -> Backend:
    """The backend of a sandbox team in the EU, on each database."""
    return await new_backend(server)


@pytest.fixture
async def sqlite_backend(sqlite_server: Server) -> Backend:
    """The same on SQLite only, for what does not touch storage."""
    return await new_backend(sqlite_server)

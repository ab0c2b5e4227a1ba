"""Every answer that these tests get is checked against the contract; most of them speak as a customer's backend."""

from __future__ import annotations

import pytest
from junction_contract import watch

from backend import Backend, new_backend
from harness import Server


@pytest.fixture
async def server(server: Server) -> Server:
    return watch(server)


@pytest.fixture
async def sqlite_server(sqlite_server: Server) -> Server:
    return watch(sqlite_server)


@pytest.fixture
async def backend(server: Server) -> Backend:
    """The backend of a sandbox team in the EU, on each database."""
    return await new_backend(server)


@pytest.fixture
async def sqlite_backend(sqlite_server: Server) -> Backend:
    """The same on SQLite only, for what does not touch storage."""
    return await new_backend(sqlite_server)

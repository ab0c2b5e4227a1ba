"""A customer's backend, on each database."""

from __future__ import annotations

import pytest

from backend import Backend, new_backend
from harness import Server


@pytest.fixture
async def backend(server: Server) -> Backend:
    return await new_backend(server)


@pytest.fixture
async def sqlite_backend(sqlite_server: Server) -> Backend:
    """On SQLite only, for what does not touch storage."""
    return await new_backend(sqlite_server)

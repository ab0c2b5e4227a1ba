"""A server in test mode."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from plane import Plane, in_test_mode


@pytest.fixture
async def plane(database_url: str) -> AsyncIterator[Plane]:
    """On each database."""
    async with in_test_mode(database_url) as running:
        yield running


@pytest.fixture
async def sqlite_plane(sqlite_url: str) -> AsyncIterator[Plane]:
    """On SQLite only, for what does not touch storage."""
    async with in_test_mode(sqlite_url) as running:
        yield running

"""Every answer that these tests get is checked against the invariants of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from answers import serve_elixir

from harness import Server


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    async with serve_elixir(database_url) as running:
        yield running


@pytest.fixture
async def sqlite_server(sqlite_url: str) -> AsyncIterator[Server]:
    async with serve_elixir(sqlite_url) as running:
        yield running

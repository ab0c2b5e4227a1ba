"""Every answer that these tests get is checked against the invariants of the contract."""

from __future__ import annotations

import pytest
from answers import watch

from harness import Server


@pytest.fixture
async def server(server: Server) -> Server:
    return watch(server)


@pytest.fixture
async def sqlite_server(sqlite_server: Server) -> Server:
    return watch(sqlite_server)

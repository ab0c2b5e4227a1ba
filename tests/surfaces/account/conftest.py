"""Servers whose team has account pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from visitor import Visitor, set_team, visitor

from harness import Server


@pytest.fixture
async def paged(server: Server) -> Server:
    """A server on each database, its team with account pages."""
    await set_team(server, account_pages=True)
    return server


@pytest.fixture
async def ada(paged: Server) -> AsyncIterator[Visitor]:
    """Ada's browser, nobody signed in yet."""
    opened = visitor(paged)
    async with opened.client:
        yield opened

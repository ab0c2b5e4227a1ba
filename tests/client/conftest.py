"""An app on a phone, and its pauses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from junction_app import App, client_of

from backend import new_backend
from gatepass.client import (
    MemoryStore,
)
from harness import Server
from network import Network


@pytest.fixture
async def app(sqlite_server: Server) -> AsyncIterator[App]:
    network, store = Network(sqlite_server.app), MemoryStore()
    async with client_of(sqlite_server, store, network) as client:
        yield App(await new_backend(sqlite_server), client, store, network)


@pytest.fixture
def pauses(app: App, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The client's pauses, spent on the manual clock."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)
        app.wait(seconds)

    monkeypatch.setattr("gatepass.client.driving.asyncio.sleep", pause)
    return made

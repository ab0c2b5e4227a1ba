"""One real server process, and a fresh team on it for each test: what clients of others are pointed at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from customer import Customer, new_customer
from nodejs import Workshop, workshop_for

from processes import Process, running


@pytest.fixture(scope="session")
def process(
    anyio_backend: str, sqlite_url_of_processes: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    with running(1, sqlite_url_of_processes, tmp_path_factory.mktemp("foreign")) as (process,):
        yield process


@pytest.fixture
async def customer(process: Process, sqlite_url_of_processes: str) -> Customer:
    return await new_customer(process.url, sqlite_url_of_processes)


@pytest.fixture(scope="session")
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Node with the packages of `node/package.json`, which stay in pytest's cache for the next run."""
    return workshop_for(request.config, tmp_path_factory.mktemp("node"))

"""A mail server, and Gatepass in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness import Server
from post_office import PostOffice, make_certificate, serve_alone

FROM = "Acme Games <no-reply@acme.example>"


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    """A server that takes every mail."""
    office = PostOffice()
    await office.open()
    yield office
    await office.close()


@pytest.fixture
async def mailing(database_url: str, office: PostOffice) -> AsyncIterator[Server]:
    """Gatepass on each database, its mail going to *office*."""
    async with serve_alone(database_url, smtp_url=office.url, mail_from=FROM) as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("post"))

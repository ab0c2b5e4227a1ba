"""Databases for the live tests: empty, each test's own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres import Cluster, cluster

_NUMBERS = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def live_database_url(request: pytest.FixtureRequest, database_name: str, tmp_path: Path) -> str:
    """An empty database of the kind that the test runs on."""
    if database_name == "sqlite":
        return f"sqlite:///{tmp_path / 'gatepass.db'}"
    postgres: Cluster = request.getfixturevalue("postgres")
    return postgres.create_database(f"live_{next(_NUMBERS)}")


@pytest.fixture
def own_postgres() -> Iterator[Cluster]:
    """A PostgreSQL that nobody else uses, to be stopped and started."""
    with cluster() as started:
        yield started

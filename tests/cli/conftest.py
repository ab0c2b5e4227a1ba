"""The command line in this process: on a migrated database of its own, its words caught."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from gatepass.cli import main
from harness import SECRET
from postgres import Cluster


@dataclass(frozen=True)
class Said:
    """How one command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Gatepass:
    """`gatepass ...`, in this process."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    database_url: str

    def __call__(self, *arguments: str, stdin: str | bytes = "") -> Said:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        self.capsys.readouterr()
        code = main(arguments)
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)

    def json(self, *arguments: str) -> Any:
        """The one document that a command with `--json` prints; it must succeed."""
        said = self(*arguments, "--json")
        assert said.code == 0, said.err
        return said.json

    def team(self, name: str = "Acme") -> str:
        """Make a team; its id."""
        team_id: str = self.json("teams", "create", "--name", name)["team_id"]
        return team_id


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands set up the logs of their process, which is the tests' here."""
    handlers, level = logging.root.handlers[:], logging.root.level
    uvicorn = logging.getLogger("uvicorn")
    uvicorn_level = uvicorn.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    uvicorn.setLevel(uvicorn_level)


@pytest.fixture
def directory(free_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without settings."""
    import os

    for name in [name for name in os.environ if name.startswith("GATEPASS_")]:
        monkeypatch.delenv(name)
    return free_directory


def _on(url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Gatepass:
    monkeypatch.setenv("GATEPASS_SECRET_KEY", SECRET)
    monkeypatch.setenv("GATEPASS_DATABASE_URL", url)
    gatepass = Gatepass(capsys, monkeypatch, url)
    assert gatepass("migrate", "up").code == 0
    return gatepass


@pytest.fixture
def gatepass(directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Gatepass:
    """The command line on an SQLite database of this test's own."""
    return _on(f"sqlite:///{directory / 'gatepass.db'}", capsys, monkeypatch)


@pytest.fixture
def postgres_gatepass(
    directory: Path, postgres: Cluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Gatepass:
    """The command line on a PostgreSQL database of this test's own."""
    return _on(postgres.create_database(f"cli_{directory.name[-40:].lower()}"), capsys, monkeypatch)


@pytest.fixture(params=["sqlite", "postgresql"])
def either_gatepass(request: pytest.FixtureRequest) -> Gatepass:
    """Both in turn."""
    name = {"sqlite": "gatepass", "postgresql": "postgres_gatepass"}[request.param]
    gatepass: Gatepass = request.getfixturevalue(name)
    return gatepass

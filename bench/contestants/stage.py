"""What a contestant is given, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from load import Target
from machine import Cluster, Process


@dataclass
class Stage:
    """One mode's place to work in: a directory, the database server, and how much is going to be asked."""

    directory: Path
    cluster: Cluster
    pool: int
    """Live tokens per contestant."""
    spendable: int
    """Items of a mode that uses each up only once."""
    workers: int
    cores: str | None
    """Where the server under test runs, as taskset writes it; None is anywhere."""
    databases: int = 0

    def database(self, name: str) -> str:
        """A fresh PostgreSQL database; its URL."""
        self.databases += 1
        return self.cluster.create_database(f"{name.replace('-', '_')}_{self.directory.name}_{self.databases}")

    def room(self, name: str) -> Path:
        """A directory of the contestant's own."""
        path = self.directory / name
        path.mkdir(parents=True, exist_ok=True)
        return path


@dataclass
class Lane:
    """A contestant that is up, and how to load it."""

    process: Process
    target: Target
    uses_database: bool = True
    starts_empty: bool = False
    """Whether each visit begins with an empty pool: half-done sign-ins of the last one have run out."""
    notes: Callable[[], dict[str, int]] = field(default=dict)
    """What else is worth writing down after a visit."""


Prepare = Callable[[Stage], AbstractContextManager[Lane]]


@dataclass(frozen=True)
class Contestant:
    """A name, and how to bring it up."""

    name: str
    prepare: Prepare
    peer: bool = False

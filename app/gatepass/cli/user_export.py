"""`gatepass users export`: every account of a team as JSON lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO
from uuid import UUID

import typer

from gatepass.cli.deployment import runtime_of, settings_of, team_of
from gatepass.cli.user_lines import document_of
from gatepass.core import user_listing
from gatepass.core.unit import Unit
from gatepass.core.users import User

PAGE = 500


def run(output: Path | None, team: str | None, data_dir: Path | None) -> int:
    """Export to *output*, or stdout; how many users there were. Raises Failure, OSError."""
    with _target(output) as target:
        return asyncio.run(_run(target, team, data_dir))


async def _run(target: TextIO, team: str | None, data_dir: Path | None) -> int:
    written = 0
    last: User | None = None
    async with runtime_of(settings_of(data_dir)) as runtime:
        owner = await runtime.read(lambda unit: team_of(unit, team))
        _, total = await runtime.read(lambda unit: user_listing.list_page(unit, owner.id, limit=1))
        shown = sys.stderr.isatty() and not target.isatty()
        with typer.progressbar(length=total or 1, label="exporting", file=sys.stderr, hidden=not shown) as progress:
            while page := await runtime.read(partial(_next, owner.id, last)):
                target.writelines(json.dumps(document_of(user)) + "\n" for user in page)
                written, last = written + len(page), page[-1]
                progress.update(len(page))
    return written


async def _next(team_id: UUID, last: User | None, unit: Unit) -> list[User]:
    return await user_listing.list_after(unit, team_id, last, PAGE)


@contextmanager
def _target(output: Path | None) -> Iterator[TextIO]:
    """stdout, or a file that takes its name only when it is whole."""
    if output is None:
        yield sys.stdout
        return
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            yield file
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)

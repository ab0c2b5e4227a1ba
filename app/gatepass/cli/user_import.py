"""`gatepass users import`: accounts from JSON lines, in batches, repeatable."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import typer

from gatepass.cli import user_lines
from gatepass.cli.deployment import runtime_of, settings_of, team_of
from gatepass.cli.user_lines import UserLine
from gatepass.core import users
from gatepass.core.addresses import Address
from gatepass.core.errors import Conflict, InputRefused
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.core.users import User

BATCH = 200
"""Lines in one transaction: short enough for sign-ins to go on meanwhile."""
LONGEST = 64 * 1024
"""Bytes of a line."""


@dataclass
class Outcome:
    """What an import did, or would do. *problems*: line number and what is wrong there."""

    created: int = 0
    existing: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.created += other.created
        self.existing += other.existing
        self.problems += other.problems


class _Undo(Exception):
    """Carries the outcome of a dry run out of its transaction, which is then undone."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


def run(file: Path | None, team: str | None, data_dir: Path | None, *, dry_run: bool) -> Outcome:
    """Import *file*, or stdin. Raises Failure, OSError."""
    with ExitStack() as stack:
        source = stack.enter_context(file.open("rb")) if file is not None else sys.stdin.buffer
        size = file.stat().st_size if file is not None else 0
        shown = sys.stderr.isatty() and size > 0
        bar = typer.progressbar(length=size or 1, label="importing", file=sys.stderr, hidden=not shown)
        progress = stack.enter_context(bar)
        return asyncio.run(_run(source, team, data_dir, progress.update, dry_run=dry_run))


async def _run(
    source: BinaryIO, team: str | None, data_dir: Path | None, progress: Callable[[int], None], *, dry_run: bool
) -> Outcome:
    outcome, seen = Outcome(), set[str]()
    async with runtime_of(settings_of(data_dir)) as runtime:
        owner = await runtime.read(lambda unit: team_of(unit, team))
        lines = _lines(source)
        while batch := list(islice(lines, BATCH)):
            accounts = _fresh(batch, seen, outcome)

            async def work(unit: Unit, accounts: list[tuple[int, UserLine]] = accounts) -> Outcome:
                done = await _import(unit, owner, accounts)
                if dry_run:
                    raise _Undo(done)
                return done

            try:
                outcome.add(await runtime.transact(work))
            except _Undo as undo:
                outcome.add(undo.outcome)
            progress(sum(len(line) for _, line in batch))
    outcome.problems.sort()
    return outcome


def _lines(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of one that is too long, its beginning."""
    number = 0
    while line := source.readline(LONGEST + 1):
        number += 1
        while not line.endswith(b"\n") and (rest := source.readline(LONGEST + 1)):
            line = line[: LONGEST + 1]
            if rest.endswith(b"\n"):
                break
        yield number, line


def _fresh(batch: list[tuple[int, bytes]], seen: set[str], outcome: Outcome) -> list[tuple[int, UserLine]]:
    """The good lines that name nobody named before in this file; the others are counted."""
    accounts = []
    for number, line in batch:
        if not line.strip():
            continue
        account = user_lines.parse(line) if len(line) <= LONGEST else f"is longer than {LONGEST} bytes"
        if isinstance(account, str):
            outcome.problems.append((number, account))
        elif seen.issuperset(account.names()):
            outcome.existing += 1
        else:
            seen.update(account.names())
            accounts.append((number, account))
    return accounts


async def _import(unit: Unit, team: Team, accounts: list[tuple[int, UserLine]]) -> Outcome:
    outcome = Outcome()
    for number, account in accounts:
        try:
            if await _make(unit, team, account):
                outcome.created += 1
            else:
                outcome.existing += 1
        except (InputRefused, Conflict) as refused:
            outcome.problems.append((number, str(refused)))
    return outcome


async def _make(unit: Unit, team: Team, account: UserLine) -> bool:
    """Make one account; False where it exists. Raises InputRefused, and Conflict where its names are those of others."""
    address = Address.parse(account.email, dotless=unit.policy.dotless_domains) if account.email is not None else None
    try:
        user = await users.create(
            unit,
            team.id,
            address=address,
            client_user_id=account.client_user_id,
            user_id=account.user_id,
            nickname=account.nickname,
            email_verified=account.email_verified,
        )
    except Conflict:
        if await _is_known(unit, team, account, address):
            return False
        raise Conflict("its names belong to different accounts, or its user_id to another team") from None
    if extras := account.extras():
        await users.change(unit, team.id, user.id, **extras)
    if account.banned_at is not None:
        await users.ban(unit, team.id, user.id, account.ban_reason or "")
    return True


async def _is_known(unit: Unit, team: Team, account: UserLine, address: Address | None) -> bool:
    """Whether all names of *account* are one living user's."""
    found: list[User | None] = []
    if account.user_id is not None:
        found.append(await users.find(unit, team.id, account.user_id))
    if address is not None:
        found.append(await users.find_by_address(unit, team.id, address))
    if account.client_user_id is not None:
        found.append(await users.find_by_client_user_id(unit, team.id, account.client_user_id))
    return None not in found and len({user.id for user in found if user is not None}) == 1

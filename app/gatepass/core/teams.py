"""Teams: a customer, an application, a world of its own.

A team has its own users, keys, budgets and settings; nothing of one team can be reached from another. Elixir calls it
an application, Junction a team.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    insert,
    select,
    true,
    update,
)

from gatepass.core import audit, colours, sessions
from gatepass.core.errors import InputRefused, NotFound
from gatepass.core.schema import metadata
from gatepass.core.unit import Unit


class Region(StrEnum):
    US = "us"
    EU = "eu"


class TeamEnvironment(StrEnum):
    """What a whole team is for (Junction's word); a key's development/production is another thing."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"
    DEV = "dev"
    LOCAL = "local"


class SignUp(StrEnum):
    """Who may sign in by e-mail code: anyone, only accounts that exist, or nobody."""

    OPEN = "open"
    KNOWN = "known"
    CLOSED = "closed"


class _TeamColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    name: Named[str] = Column(String(100))
    region: Named[str] = Column(String(2))
    environment: Named[str] = Column(String(10))
    sign_up: Named[str] = Column(String(6))
    code_length: Named[int | None]
    accept_development_keys: Named[bool]
    account_pages: Named[bool]
    new_device_notices: Named[bool] = Column(Boolean, server_default=true())
    colour: Named[str | None] = Column(String(7))
    refuse_app_keys: Named[bool]
    owner_id: Named[UUID | None] = Column(Uuid)
    created_at: Named[int] = Column(BigInteger)
    removed_at: Named[int | None] = Column(BigInteger)


teams = Table("teams", metadata, _TeamColumns)


@dataclass(frozen=True, slots=True)
class Team:
    """One row of teams. *code_length* None means the deployment's, *colour* None Gatepass's own (core/colours.py).

    *new_device_notices*: users who have account pages are told by mail when a device signs in for the first time.
    """

    id: UUID
    name: str
    region: Region
    environment: TeamEnvironment
    sign_up: SignUp
    code_length: int | None
    accept_development_keys: bool
    account_pages: bool
    new_device_notices: bool
    colour: str | None
    refuse_app_keys: bool
    owner_id: UUID | None
    created_at: int
    removed_at: int | None


def of(row: Mapping[Any, Any]) -> Team:
    """The team in a row of all its columns."""
    return Team(
        **{
            **row,
            "region": Region(row["region"]),
            "environment": TeamEnvironment(row["environment"]),
            "sign_up": SignUp(row["sign_up"]),
        }
    )


async def create(
    unit: Unit,
    name: str,
    *,
    region: Region = Region.EU,
    environment: TeamEnvironment = TeamEnvironment.SANDBOX,
    team_id: UUID | None = None,
) -> Team:
    """Make a team. Raises InputRefused for an empty, long or unprintable name, and for `local` outside `eu`."""
    if environment is TeamEnvironment.LOCAL and region is not Region.EU:
        raise InputRefused("region", "of a local team is always eu: the iOS SDK pairs them")
    team = Team(
        id=team_id or unit.mint.uuid4(),
        name=_name(name),
        region=region,
        environment=environment,
        sign_up=SignUp.OPEN,
        code_length=None,
        accept_development_keys=True,
        account_pages=False,
        new_device_notices=True,
        colour=None,
        refuse_app_keys=environment is TeamEnvironment.PRODUCTION,
        owner_id=None,
        created_at=unit.now,
        removed_at=None,
    )
    await unit.db.execute(insert(teams).values(asdict(team)))
    await audit.record(unit, audit.Event.TEAM_CREATED, team_id=team.id)
    return team


async def find(unit: Unit, team_id: UUID) -> Team | None:
    """The team of that id, or None."""
    row = (
        await unit.db.execute(select(teams).where(teams.c.id == team_id, teams.c.removed_at.is_(None)))
    ).one_or_none()
    return of(row._mapping) if row is not None else None


async def get(unit: Unit, team_id: UUID) -> Team:
    """The team of that id. Raises NotFound."""
    if (team := await find(unit, team_id)) is None:
        raise NotFound("team")
    return team


async def list_all(unit: Unit) -> list[Team]:
    """Every team, oldest first."""
    return [
        of(row._mapping)
        for row in await unit.db.execute(
            select(teams).where(teams.c.removed_at.is_(None)).order_by(teams.c.created_at, teams.c.id)
        )
    ]


async def change(unit: Unit, team_id: UUID, **changes: object) -> Team:
    """Set any of name, sign_up, code_length, accept_development_keys, account_pages, new_device_notices, colour,
    refuse_app_keys, owner_id.

    Raises NotFound, InputRefused.
    """
    if "name" in changes:
        changes["name"] = _name(str(changes["name"]))
    length = changes.get("code_length")
    if length is not None and not (isinstance(length, int) and 5 <= length <= 10):
        raise InputRefused("code_length", "is a whole number from 5 to 10")
    if changes.get("colour") is not None:
        changes["colour"] = colours.parse(str(changes["colour"]))
    if not changes:
        return await get(unit, team_id)
    unit.changes_keys = True
    row = (
        await unit.db.execute(
            update(teams).where(teams.c.id == team_id, teams.c.removed_at.is_(None)).values(changes).returning(*teams.c)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("team")
    await audit.record(unit, audit.Event.TEAM_CHANGED, team_id=team_id, detail={"changed": ", ".join(sorted(changes))})
    return of(row._mapping)


async def remove(unit: Unit, team_id: UUID) -> int:
    """Take a team out of service: its keys open nothing and its sessions end; how many were open. Raises NotFound."""
    unit.changes_keys = True
    removed = await unit.db.execute(
        update(teams)
        .where(teams.c.id == team_id, teams.c.removed_at.is_(None))
        .values(removed_at=unit.now)
        .returning(teams.c.id)
    )
    if removed.one_or_none() is None:
        raise NotFound("team")
    ended = await unit.db.execute(
        update(sessions.sessions)
        .where(sessions.sessions.c.team_id == team_id, sessions.sessions.c.ended_at.is_(None))
        .values(ended_at=unit.now, end_cause=sessions.Cause.TEAM_GONE.value)
    )
    await audit.record(unit, audit.Event.TEAM_REMOVED, team_id=team_id)
    return ended.rowcount


def _name(name: str) -> str:
    name = name.strip()
    if not (1 <= len(name) <= 100 and name.isprintable()):
        raise InputRefused("name", "has 1 to 100 printable characters")
    return name

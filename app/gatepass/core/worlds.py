"""Worlds: a team under test, its clock its own, and its chance too where it was made with a seed.

Test mode alone writes here; in production the table is empty and nothing asks it. A world is its team: whatever carries
the team's id is of that world, and goes with it. What is kept as a digest names no team: proofs of possession used up,
budgets and known clients go with the reset, or with their own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    case,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from gatepass.core import api_keys, teams
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.dpop import dpop_proofs
from gatepass.core.errors import Conflict, InputRefused
from gatepass.core.known_clients import known_clients
from gatepass.core.limits import limits
from gatepass.core.schema import metadata, upsert
from gatepass.core.signing_keys import signing_keys
from gatepass.core.teams import Region, Team, TeamEnvironment
from gatepass.core.unit import Unit

FIRST, LAST = 946_684_800_000, 7_258_118_400_000
"""Between which a clock may stand: the years 2000 to 2199, epoch ms."""


class _WorldColumns(TypedColumns):
    team_id: Named[UUID] = Column(Uuid, primary_key=True)
    made: Named[bool] = Column(Boolean)
    seed: Named[str | None] = Column(String(100), unique=True)
    offset_ms: Named[int] = Column(BigInteger)
    stands_at: Named[int | None] = Column(BigInteger)


worlds = Table("worlds", metadata, _WorldColumns)


@dataclass(frozen=True, slots=True)
class World:
    """A team's clock and chance. *made* by the control plane, so that reset drops it.

    The clock runs *offset_ms* ahead of the server's, or stands still at *stands_at* (epoch ms).
    """

    team_id: UUID
    made: bool = False
    seed: str | None = None
    offset_ms: int = 0
    stands_at: int | None = None

    def now(self, server: int) -> int:
        """This world's instant when the server's is *server*; both epoch ms."""
        return server + self.offset_ms if self.stands_at is None else self.stands_at

    def later(self, ms: int) -> World:
        """The same after *ms* have passed here; a clock that stands goes on standing, there."""
        if self.stands_at is not None:
            return replace(self, stands_at=self.stands_at + ms)
        return replace(self, offset_ms=self.offset_ms + ms)


@dataclass(frozen=True, slots=True)
class NewWorld:
    """A world at the one moment its keys are known."""

    team: Team
    secret_key: str = field(repr=False)
    publishable_key: str = field(repr=False)
    production_publishable_key: str = field(repr=False)


async def create(unit: Unit, name: str, seed: str | None) -> NewWorld:
    """A team with a key of each kind, as `gatepass dev` makes its own. Raises InputRefused, Conflict for a seed in use."""
    in_use = Conflict("this seed is in use: drop its world first")
    if seed is not None and await unit.db.scalar(select(worlds.c.team_id).where(worlds.c.seed == seed)):
        raise in_use
    try:
        team = await teams.create(unit, name, region=Region.EU, environment=TeamEnvironment.LOCAL)
        await unit.db.execute(insert(worlds).values(team_id=team.id, made=True, seed=seed, offset_ms=0))
        return NewWorld(
            team,
            (await api_keys.create(unit, team.id, Kind.SECRET)).text,
            (await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.DEVELOPMENT)).text,
            (await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.PRODUCTION)).text,
        )
    except IntegrityError:
        raise in_use from None


async def find(unit: Unit, team_id: UUID) -> World | None:
    """What was ever decided of a team's clock or chance, or None."""
    row = (await unit.db.execute(select(worlds).where(worlds.c.team_id == team_id))).one_or_none()
    return World(**row._mapping) if row is not None else None


async def get(unit: Unit, team_id: UUID) -> World:
    """The world of any team; one that nobody touched goes by the server's clock. Raises NotFound."""
    await teams.get(unit, team_id)
    return await find(unit, team_id) or World(team_id)


async def hold(unit: Unit, team_id: UUID) -> World:
    """As `get`; nobody else sets its clock until the transaction ends."""
    await unit.db.execute(select(teams.teams.c.id).where(teams.teams.c.id == team_id).with_for_update())
    return await get(unit, team_id)


async def turn(unit: Unit, team_id: UUID, server: int, change: Callable[[World], World]) -> World:
    """Set a world's clock to what *change* makes of it, while the server's shows *server* (epoch ms).

    Raises NotFound, and InputRefused for an instant that no clock here shows.
    """
    world = change(await hold(unit, team_id))
    if not FIRST <= world.now(server) <= LAST:
        raise InputRefused("the clock", "can show the years 2000 to 2199")
    await set_clock(unit, world)
    return world


async def set_clock(unit: Unit, world: World) -> None:
    """Let the world go by this clock."""
    put = upsert(unit.db, worlds).values(asdict(world))
    clock = {"offset_ms": world.offset_ms, "stands_at": world.stands_at}
    await unit.db.execute(put.on_conflict_do_update(index_elements=[worlds.c.team_id], set_=clock))
    unit.nudges_outbox = True  # a mail may be due now


# Worlds among each other.


def ahead(unit: Unit, team_id: ColumnElement[UUID]) -> ColumnElement[int]:
    """How many ms the clock of a row's team is ahead of the unit's, which is the server's; as SQL."""
    of_its_own = case((worlds.c.stands_at.is_not(None), worlds.c.stands_at - unit.now), else_=worlds.c.offset_ms)
    return func.coalesce(select(of_its_own).where(worlds.c.team_id == team_id).scalar_subquery(), 0)


async def earliest(unit: Unit) -> int:
    """The instant of the clock that is furthest behind, in ms; at most the unit's, which is the server's."""
    last = await unit.db.scalar(select(func.min(func.coalesce(worlds.c.stands_at, unit.now + worlds.c.offset_ms))))
    return unit.now if last is None else min(unit.now, last)


# A world as rows.

Snapshot = Mapping[str, list[dict[str, Any]]]
"""A world's rows by table, as they were."""


@cache
def _tables() -> dict[str, Column[UUID]]:
    """Every table with rows that belong to a team, and the column that says to which; parents first, worlds last."""
    owners: dict[str, Column[UUID]] = {
        table.name: table.c.team_id for table in metadata.sorted_tables if "team_id" in table.c and table is not worlds
    }
    return {"teams": teams.teams.c.id, "signing_keys": signing_keys.c.scope, **owners, "worlds": worlds.c.team_id}


async def snapshot(unit: Unit, team_id: UUID) -> Snapshot:
    """Every row of a world. Raises NotFound."""
    await teams.get(unit, team_id)
    return {
        name: [dict(row._mapping) for row in await unit.db.execute(select(owner.table).where(owner == team_id))]
        for name, owner in _tables().items()
    }


async def restore(unit: Unit, team_id: UUID, rows: Snapshot) -> None:
    """Put a world back to what it was: rows that came since are gone, the others are as they were."""
    unit.changes_keys = unit.nudges_outbox = True
    await _delete(unit, [team_id])
    for name, owner in _tables().items():
        if rows[name]:
            await unit.db.execute(insert(owner.table), rows[name])


async def drop(unit: Unit, team_id: UUID) -> None:
    """Leave nothing of a world. Raises NotFound, Conflict for a team that the control plane did not make."""
    if not (await get(unit, team_id)).made:
        raise Conflict("this team was not made as a world")
    unit.changes_keys = True
    await _delete(unit, [team_id])


async def drop_all(unit: Unit, *, seeded_only: bool = False) -> None:
    """Leave nothing of any world that was made, and set every other team's clock back to the server's."""
    unit.changes_keys = True
    made = select(worlds.c.team_id).where(worlds.c.made.is_(True))
    if seeded_only:
        made = made.where(worlds.c.seed.is_not(None))
    if team_ids := (await unit.db.scalars(made)).all():
        await _delete(unit, team_ids)
    if not seeded_only:
        for table in (worlds, dpop_proofs, limits, known_clients):
            await unit.db.execute(delete(table))


async def _delete(unit: Unit, team_ids: Iterable[UUID]) -> None:
    """One statement per table, children first."""
    for owner in reversed(_tables().values()):
        await unit.db.execute(delete(owner.table).where(owner.in_(team_ids)))

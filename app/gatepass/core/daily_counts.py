"""Facts per day and team, for charts: a small table that every process adds to now and then (adapters/tally.py).

A day is its first instant in UTC, epoch ms. A process that is killed loses what it had not written yet, a few seconds'
worth: these numbers are for looking at. What has to be exact is in the audit log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    func,
    literal,
    select,
)

from gatepass.core.facts import Fact
from gatepass.core.schema import DAY, metadata, upsert
from gatepass.core.teams import teams
from gatepass.core.unit import Unit

KEPT = 366 * DAY
"""How long a day's numbers are kept."""

Key = tuple[int, UUID, Fact]
"""A day, a team, a fact."""


class _DailyColumns(TypedColumns):
    team_id: Named[UUID] = Column(Uuid, primary_key=True)
    day: Named[int] = Column(BigInteger, primary_key=True)
    fact: Named[str] = Column(String(24), primary_key=True)
    times: Named[int] = Column(Integer)


daily_counts = Table("daily_counts", metadata, _DailyColumns, Index("ix_daily_counts_day", "day"))


def day_of(now: int) -> int:
    """The first instant of the day that *now* is in, both epoch ms, UTC."""
    return now - now % DAY


async def add(unit: Unit, counts: Mapping[Key, int]) -> None:
    """Add to what is there; nothing for a team that is gone. In one order, so that processes never lock crosswise."""
    d = daily_counts.c
    for (day, team_id, fact), times in sorted(counts.items()):
        row = select(
            literal(team_id, d.team_id.type), literal(day, d.day.type), literal(fact.value), literal(times)
        ).where(teams.c.id == team_id)
        put = upsert(unit.db, daily_counts).from_select(["team_id", "day", "fact", "times"], row)
        await unit.db.execute(
            put.on_conflict_do_update(
                index_elements=[d.team_id, d.day, d.fact], set_={"times": d.times + put.excluded.times}
            )
        )


async def read(unit: Unit, *, since: int, team_id: UUID | None = None) -> dict[int, Counter[Fact]]:
    """The numbers of each day from *since* (epoch ms) on, of one team or of all together; days without any are left out."""
    d = daily_counts.c
    query = (
        select(d.day, d.fact, func.sum(d.times).label("times")).where(d.day >= day_of(since)).group_by(d.day, d.fact)
    )
    if team_id is not None:
        query = query.where(d.team_id == team_id)
    days: dict[int, Counter[Fact]] = {}
    known = {fact.value for fact in Fact}
    for day, fact, times in (await unit.db.execute(query.order_by(d.day))).all():
        if fact in known:  # a later version may count what this one has no name for
            days.setdefault(day, Counter())[Fact(fact)] = int(times)
    return days

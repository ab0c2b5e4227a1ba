"""Budgets that hold across any number of processes, because the database counts.

A budget is "so many per period" for one subject. Spending is one statement for any number of budgets: each row is
raised only while there is room, and a row that did not come back refuses the whole, so the unit's rollback returns what
the others had spent. A period starts with its first use. A clock that jumped back cannot freeze a budget: a period that
would end much further away than it is long starts anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    Named,
    Table,
    TypedColumns,
    and_,
    bindparam,
    case,
    cast,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert

from gatepass.core.errors import TooManyRequests
from gatepass.core.schema import DAY, HOUR, MINUTE, SECOND, metadata, upsert_in

if TYPE_CHECKING:
    from gatepass.core.server_secret import ServerSecret
    from gatepass.core.unit import Unit

CLOCK_SPREAD = MINUTE
"""How far the instants of two requests that meet at one row may lie apart: hosts differ, and whoever waited for the row
comes with the instant at which it began to wait."""

_PERIODS = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most *count* in *period* ms."""

    count: int
    period: int

    @classmethod
    def parse(cls, text: str) -> tuple[Rate, ...]:
        """`10/hour,20/day` or `off` (no rates). Raises ValueError."""
        if text.strip().lower() == "off":
            return ()
        rates: dict[Rate, None] = {}
        for part in text.split(","):
            found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(second|minute|hour|day)\s*", part)
            if not found or not int(found[1]):
                raise ValueError(f"{part.strip()!r} is not a limit: write it like 10/hour,20/day, or off")
            rates[cls(int(found[1]), _PERIODS[found[2]])] = None
        return tuple(rates)


@dataclass(frozen=True, slots=True)
class Limits:
    """Every budget of a deployment (contract elixir, section 7). An empty tuple is no limit."""

    login_per_client: tuple[Rate, ...] = (Rate(300, HOUR),)
    wrong_codes_per_client: tuple[Rate, ...] = (Rate(100, HOUR),)
    codes_per_address: tuple[Rate, ...] = (Rate(10, HOUR), Rate(20, DAY))
    codes_per_client_and_address: tuple[Rate, ...] = (Rate(3, HOUR),)
    wrong_codes_per_address: tuple[Rate, ...] = (Rate(25, DAY),)
    invalid_refresh_per_client: tuple[Rate, ...] = (Rate(100, HOUR),)
    token_endpoint_per_client: tuple[Rate, ...] = (Rate(3000, HOUR),)
    cooldown: tuple[Rate, ...] = (Rate(1, 30 * SECOND),)


class _LimitColumns(TypedColumns):
    key: Named[bytes] = Column(LargeBinary(32), primary_key=True)
    spent: Named[int] = Column(Integer)
    ceiling: Named[int] = Column(Integer)
    resets_at: Named[int] = Column(BigInteger, index=True)


limits = Table("limits", metadata, _LimitColumns)


@dataclass(frozen=True, slots=True)
class Budget:
    """One thing that is counted: *name* of the limit, its *rates*, and the *subject* it is counted for."""

    name: str
    rates: tuple[Rate, ...]
    subject: str

    def keys(self, secret: ServerSecret) -> list[tuple[bytes, Rate]]:
        """The rows that it is counted in, one for each rate."""
        return [
            (secret.mac("limits", f"{self.name}|{rate.count}/{rate.period}|{self.subject}".encode()), rate)
            for rate in self.rates
        ]


async def spend(unit: Unit, *budgets: Budget) -> None:
    """Take one from each of *budgets*, or from none.

    Raises TooManyRequests with the seconds until the fullest one has room.
    """
    wanted = sorted(key for budget in budgets for key in budget.keys(unit.secret))
    if not wanted:
        return
    given: dict[str, Any] = {"now": unit.now}
    for number, (key, rate) in enumerate(wanted):
        given |= {f"key_{number}": key, f"ceiling_{number}": rate.count, f"end_{number}": unit.now + rate.period}
    granted = set((await unit.db.scalars(spending(unit.db.dialect.name, len(wanted)), given)).all())
    refused = [key for key, _ in wanted if key not in granted]
    if refused:
        resets_at = (await unit.db.scalars(select(limits.c.resets_at).where(limits.c.key.in_(refused)))).all()
        wait = max(resets_at, default=unit.now + SECOND) - unit.now
        raise TooManyRequests(max(1, -(-wait // SECOND)), ", ".join(budget.name for budget in budgets))


@cache
def spending(dialect: str, many: int) -> ReturningInsert[bytes]:
    """The statement that raises *many* rows where there is room, and tells which.

    The rows come from a SELECT, because SQLAlchemy compiles an INSERT of several VALUES anew each time.
    """
    wanted = union_all(
        *(
            select(
                cast(bindparam(f"key_{number}"), LargeBinary),
                1,
                bindparam(f"ceiling_{number}", type_=Integer),
                bindparam(f"end_{number}", type_=BigInteger),
            )
            for number in range(many)
        )
    )
    insert = upsert_in(dialect, limits).from_select(["key", "spent", "ceiling", "resets_at"], wanted)
    lapsed = or_(limits.c.resets_at <= bindparam("now"), limits.c.resets_at > insert.excluded.resets_at + CLOCK_SPREAD)
    return insert.on_conflict_do_update(
        index_elements=[limits.c.key],
        set_={
            "spent": case((lapsed, 1), else_=limits.c.spent + 1),
            "resets_at": case((lapsed, insert.excluded.resets_at), else_=limits.c.resets_at),
        },
        where=or_(lapsed, limits.c.spent < insert.excluded.ceiling),
    ).returning(limits.c.key)


async def refund(unit: Unit, *budgets: Budget) -> None:
    """Give back what `spend` took in this same transaction."""
    keys = [key for budget in budgets for key, _ in budget.keys(unit.secret)]
    if keys:
        await unit.db.execute(_REFUND, {"keys": keys})


_REFUND = update(limits).where(limits.c.key.in_(bindparam("keys")), limits.c.spent > 0).values(spent=limits.c.spent - 1)


async def exhausted(unit: Unit, budget: Budget) -> int:
    """Seconds until *budget* has room again; 0 when it has room now. Looks, spends nothing."""
    if not budget.rates:
        return 0
    running = [
        and_(limits.c.key == key, limits.c.resets_at.between(unit.now + 1, unit.now + rate.period + CLOCK_SPREAD))
        for key, rate in budget.keys(unit.secret)
    ]
    rows = await unit.db.execute(select(limits.c.resets_at).where(or_(*running), limits.c.spent >= limits.c.ceiling))
    return max((-(-(row.resets_at - unit.now) // SECOND) for row in rows), default=0)

"""Which client addresses have signed an account in lately.

A known client spends budgets of its own, so that a stranger who floods a victim's address delays only sign-ins from
addresses never seen before (contract elixir, section 7). Stored as one digest per (team, account, client): the table
tells nobody who signed in from where.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Insert,
    LargeBinary,
    Named,
    Table,
    TypedColumns,
    bindparam,
    exists,
    select,
)

from gatepass.core.addresses import Address
from gatepass.core.schema import DAY, metadata, upsert_in

if TYPE_CHECKING:
    from gatepass.core.unit import Unit

MEMORY = 90 * DAY


class _KnownClientColumns(TypedColumns):
    digest: Named[bytes] = Column(LargeBinary(32), primary_key=True)
    seen_at: Named[int] = Column(BigInteger, index=True)


known_clients = Table("known_clients", metadata, _KnownClientColumns)


def _digest(unit: Unit, team_id: UUID, address: Address) -> bytes:
    return unit.secret.mac("known-client", f"{team_id}|{address.identity}|{unit.caller.address}".encode())


async def is_known(unit: Unit, team_id: UUID, address: Address) -> bool:
    """Whether the caller's address signed this account in within the last 90 days."""
    return bool(await unit.db.scalar(_IS_KNOWN, given(unit, team_id, address)))


KNOWN = exists().where(
    known_clients.c.digest == bindparam("client_digest"), known_clients.c.seen_at > bindparam("client_seen_after")
)
"""The same inside somebody else's statement; `given` are its parameters."""
_IS_KNOWN = select(KNOWN)


def given(unit: Unit, team_id: UUID, address: Address) -> dict[str, Any]:
    return {"client_digest": _digest(unit, team_id, address), "client_seen_after": unit.now - MEMORY}


async def remember(unit: Unit, team_id: UUID, address: Address) -> None:
    """The caller's address has just signed this account in."""
    await unit.db.execute(
        _remember(unit.db.dialect.name), {"digest": _digest(unit, team_id, address), "seen_at": unit.now}
    )


@cache
def _remember(dialect: str) -> Insert:
    insert = upsert_in(dialect, known_clients)
    return insert.on_conflict_do_update(
        index_elements=[known_clients.c.digest], set_={"seen_at": insert.excluded.seen_at}
    )

"""Which client addresses have signed an account in lately.

A known client spends budgets of its own, so that a stranger who floods a victim's address delays only sign-ins from
addresses never seen before (contract elixir, section 7). Stored as one digest per (team, account, client): the table
tells nobody who signed in from where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import BigInteger, Column, LargeBinary, Named, Table, TypedColumns, select

from gatepass.core.addresses import Address
from gatepass.core.schema import DAY, metadata, upsert

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
    found = await unit.db.scalar(
        select(known_clients.c.seen_at).where(
            known_clients.c.digest == _digest(unit, team_id, address), known_clients.c.seen_at > unit.now - MEMORY
        )
    )
    return found is not None


async def remember(unit: Unit, team_id: UUID, address: Address) -> None:
    """The caller's address has just signed this account in."""
    insert = upsert(unit.db, known_clients).values(digest=_digest(unit, team_id, address), seen_at=unit.now)
    await unit.db.execute(
        insert.on_conflict_do_update(index_elements=[known_clients.c.digest], set_={"seen_at": unit.now})
    )

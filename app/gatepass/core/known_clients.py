"""Which client addresses and devices have signed an account in lately.

A known client spends budgets of its own, so that a stranger who floods a victim's address delays only sign-ins from
addresses never seen before (contract elixir, section 7); of a device that was never seen its owner is told
(new_devices.py). Stored as one digest per (team, account, client or device): the table tells nobody who signed in from
where.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    from gatepass.core.unit import Moment, Unit

MEMORY = 90 * DAY
_SHORTEST_ID = 8
_FEWEST_CHARACTERS = 4
"""Of a device's id, different ones. What has less is a stand-in that many devices share: `n/a`, or noughts."""


class _KnownClientColumns(TypedColumns):
    digest: Named[bytes] = Column(LargeBinary(32), primary_key=True)
    seen_at: Named[int] = Column(BigInteger, index=True)


known_clients = Table("known_clients", metadata, _KnownClientColumns)


def _digest(moment: Moment, team_id: UUID, address: Address) -> bytes:
    return moment.secret.mac("known-client", f"{team_id}|{address.identity}|{moment.caller.network}".encode())


def device_digest(moment: Moment, team_id: UUID, address: Address, device_id: str | None) -> bytes:
    """Of the device, where it names itself; of the client address, where that is all there is to go by."""
    if device_id is None or len(device_id) < _SHORTEST_ID or len(set(device_id)) < _FEWEST_CHARACTERS:
        return _digest(moment, team_id, address)
    return moment.secret.mac("known-device", f"{team_id}|{address.identity}|{device_id}".encode())


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether the caller's address, and its device, signed this account in within the last 90 days."""

    client: bool
    device: bool


async def look(unit: Unit, team_id: UUID, address: Address, device_id: str | None) -> Seen:
    """What is known of the caller. A *device_id* proves nothing; whoever names another's is merely not told of."""
    wanted = {
        **given(unit, team_id, address),
        "device_digest": device_digest(unit, team_id, address, device_id),
    }
    client, device = (await unit.db.execute(_LOOK, wanted)).one()
    return Seen(client=bool(client), device=bool(device))


KNOWN = exists().where(
    known_clients.c.digest == bindparam("client_digest"), known_clients.c.seen_at > bindparam("client_seen_after")
)
"""The same inside somebody else's statement; `given` are its parameters."""
_LOOK = select(
    KNOWN,
    exists().where(
        known_clients.c.digest == bindparam("device_digest"), known_clients.c.seen_at > bindparam("client_seen_after")
    ),
)


def given(moment: Moment, team_id: UUID, address: Address) -> dict[str, Any]:
    return {"client_digest": _digest(moment, team_id, address), "client_seen_after": moment.now - MEMORY}


async def remember(unit: Unit, team_id: UUID, address: Address, device_id: str | None) -> None:
    """The caller's address and device have just signed this account in."""
    digests = {_digest(unit, team_id, address), device_digest(unit, team_id, address, device_id)}
    rows = [{"digest": digest, "seen_at": unit.now} for digest in sorted(digests)]
    await unit.db.execute(_remember(unit.db.dialect.name), rows)


# Operators, who belong to no team.


async def knows_operator(unit: Unit, name: str) -> bool:
    """Whether the caller's address signed the operator *name* in within the last 90 days."""
    given = {"client_digest": _operator_digest(unit, name), "client_seen_after": unit.now - MEMORY}
    return bool(await unit.db.scalar(_IS_KNOWN, given))


_IS_KNOWN = select(KNOWN)


async def remember_operator(unit: Unit, name: str) -> None:
    """The caller's address has just signed the operator *name* in."""
    await unit.db.execute(
        _remember(unit.db.dialect.name), {"digest": _operator_digest(unit, name), "seen_at": unit.now}
    )


def _operator_digest(unit: Unit, name: str) -> bytes:
    return unit.secret.mac("known-client", f"operator|{name}|{unit.caller.network}".encode())


@cache
def _remember(dialect: str) -> Insert:
    insert = upsert_in(dialect, known_clients)
    return insert.on_conflict_do_update(
        index_elements=[known_clients.c.digest], set_={"seen_at": insert.excluded.seen_at}
    )

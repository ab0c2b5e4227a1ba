"""What a database does for many requests at once, and what comes and goes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from gatepass.core.otp import Asker
from gatepass.core.otp_shared import Asked, Guess, Judged
from gatepass.core.rotation import Ask
from gatepass.core.sessions import Grant, Session, Surface
from gatepass.core.sign_in_tokens import Redemption, Vouching
from gatepass.core.users import User

Found = tuple[Session, User]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A generation known to have arrived at *now* (ms), by which SDK where it says."""

    session_id: UUID
    generation: int
    now: int
    sdk: str


class Driver(Protocol):
    """What a database does for many at once: the answers by session or token; what is not among them has none."""

    async def rotate(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]: ...
    async def look(self, session_ids: Sequence[UUID]) -> Mapping[UUID, Found]: ...
    async def note(self, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]: ...
    async def vouch(self, records: Sequence[Vouching]) -> Mapping[str, bool]: ...
    async def redeem(self, redemptions: Sequence[Redemption]) -> Mapping[str, Grant]: ...
    async def meet(self, askers: Sequence[Mapping[str, Any]]) -> Mapping[bytes, Asker]: ...
    async def begin(self, asked: Sequence[Asked]) -> Mapping[str, bool]: ...
    async def recipients(self, transactions: Sequence[UUID]) -> Mapping[UUID, str]: ...
    async def judge(self, guesses: Sequence[Guess]) -> Mapping[str, Judged]: ...
    async def close(self) -> None: ...


@lru_cache(maxsize=1024)
def list_in(text: str) -> tuple[Any, ...]:
    """A list kept as JSON, roles or wallets: most users have the same."""
    return tuple(json.loads(text))


def grant_of(row: Any, session_id: UUID, user_id: UUID, team_id: UUID, roles: Sequence[str], issued_at: int) -> Grant:
    """The grant in a row: id, generation, user, team, environment, surface, region, email, roles."""
    return Grant(
        session_id=session_id,
        generation=row[1],
        user_id=user_id,
        team_id=team_id,
        environment=row[4],
        surface=Surface(row[5]),
        region=row[6] or "",
        email=row[7],
        roles=tuple(roles),
        jkt=None,
        issued_at=issued_at,
    )

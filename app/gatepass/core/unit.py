"""One request, one instant, one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from gatepass.core.facts import Fact
from gatepass.core.handover import Handover
from gatepass.core.limits import Limits
from gatepass.core.mint import Mint
from gatepass.core.schema import DAY, HOUR, MINUTE, SECOND
from gatepass.core.server_secret import ServerSecret

if TYPE_CHECKING:
    from gatepass.core.outbox import Claimed


@dataclass(frozen=True, slots=True)
class ReviewAccount:
    """An address with a fixed code until the end of *last_day* (UTC), for app-store reviewers and end-to-end tests."""

    address: str
    code: str = field(repr=False)
    last_day: date


@dataclass(frozen=True, slots=True)
class Policy:
    """What a deployment decided. Durations in ms."""

    issuer: str = "http://127.0.0.1:8000"
    junction_audience: str = "junction-api"
    elixir_access_ttl: int = HOUR
    elixir_idle_ttl: int = 180 * DAY
    junction_access_ttl: int = HOUR
    junction_idle_ttl: int = 90 * DAY
    junction_absolute_ttl: int | None = 400 * DAY
    sign_in_token_ttl: int = 15 * MINUTE
    code_ttl: int = 10 * MINUTE
    code_length: int = 6
    qr_ttl: int = 120 * SECOND
    replay_window: int = 30 * SECOND
    replay_budget: int = 3
    limits: Limits = field(default_factory=Limits)
    review_accounts: tuple[ReviewAccount, ...] = ()
    expose_user_code: bool = False
    dotless_domains: bool = False
    test_mode: bool = False
    """Tokens say so, and are refused by every server that is not (core/access_tokens.py)."""

    def idle_ttl(self, surface: str) -> int:
        """How long an unused session of that surface stays open."""
        return self.elixir_idle_ttl if surface == "elixir" else self.junction_idle_ttl


async def _still_there() -> bool:
    return False


class Caller(NamedTuple):
    """Who is on the other end, as far as the socket tells. *address* is the client's, past configured proxies only."""

    address: str = ""
    user_agent: str = ""
    sdk: str = ""
    """The mobile SDK's platform and version, such as `ios 4.1.2`, where it says (contract junction, C5)."""
    hung_up: Callable[[], Awaitable[bool]] = _still_there
    operator_id: UUID | None = None
    """The operator who is at work in the console."""

    @property
    def network(self) -> str:
        """Whom limits count: the address, and of IPv6 its /64, for one household or phone has all of that (RFC 6177)."""
        return _network_of(self.address)


@lru_cache(maxsize=10_000)
def _network_of(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((int(parsed) >> 64 << 64, 64)))


@dataclass(slots=True)
class Moment:
    """What a verb knows before it asks the database. *now* is the request's one instant, epoch ms."""

    now: int
    mint: Mint
    policy: Policy
    secret: ServerSecret
    caller: Caller


@dataclass(slots=True)
class Unit(Moment):
    """What a verb works with."""

    db: AsyncConnection
    handover: Handover = field(default_factory=Handover)
    receipts: list[tuple[UUID, int]] = field(default_factory=list)
    """Generations (session, generation) proven to have arrived; noted by the runtime in a transaction of their own."""
    changes_keys: bool = False
    """What a key opens has changed: forget after the commit what this process remembers of keys."""
    handed_over: list[Claimed] = field(default_factory=list)
    """Mails that were queued under a lease of this process: their places are reserved, to be taken after the commit."""
    nudges_outbox: bool = False
    """A mail was queued for whoever looks first: wake this process's worker after the commit."""
    facts: list[tuple[Fact, UUID]] = field(default_factory=list)
    """What happened to which team; counted once it is committed."""

    used_key: tuple[UUID, UUID] | None = None
    """The team and the API key that opened the door, to be noted as used."""

    def count(self, fact: Fact, team_id: UUID) -> None:
        """Have *fact* counted, if this transaction is committed."""
        self.facts.append((fact, team_id))

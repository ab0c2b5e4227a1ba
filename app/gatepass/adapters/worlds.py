"""Worlds in this process, in test mode alone: a clock and chance that follow the call, the waiting for mail, snapshots.

A call is of one world from its first byte to its last, and whatever it does happens in that world: the context of its
task says which, and the server's one clock and one mint look there. So no verb and no route knows of worlds, and in
production there is nothing to ask: its clock is the host's, its chance the system's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakValueDictionary

from gatepass.adapters.clock import Clock, SystemClock
from gatepass.adapters.mail import Postman, Transact
from gatepass.adapters.worker import Worker
from gatepass.core import outbox
from gatepass.core import worlds as core
from gatepass.core.mint import Mint
from gatepass.core.outbox import Claimed
from gatepass.core.unit import Unit
from gatepass.core.worlds import Snapshot, World


@dataclass(slots=True)
class _Here:
    """Where a call happens. *chance* is its share of a seeded world's, once it has drawn any."""

    world: World
    chance: Mint | None = None


_here: ContextVar[_Here | None] = ContextVar("world", default=None)


def here() -> World | None:
    """The world of the call under way; None for the server's own work and for teams that nobody touched."""
    found = _here.get()
    return found.world if found is not None else None


def travel(world: World) -> None:
    """The rest of the call under way goes by this clock: it has just been set."""
    if (found := _here.get()) is not None:
        found.world = world
    else:
        _here.set(_Here(world))


class WorldClock:
    """The clock of the world that a call is of; the server's for everything else."""

    def __init__(self, server: Clock) -> None:
        self.server = server

    def now(self) -> int:
        world = here()
        return self.server.now() if world is None else world.now(self.server.now())


class SeededMint(Mint):
    """The chance of one call in a seeded world: the n-th call that draws gets the same in every run.

    So calls that draw nothing may come and go, and parallel ones take nothing from each other. The time in a UUIDv7 is
    *n*, which puts ids in the order of the calls whatever the clock does.
    """

    def __init__(self, seed: str, n: int) -> None:
        super().__init__(random.Random(f"{n}/{seed}"))  # noqa: S311 - a seed is a wish to be predictable
        self._n = n

    def uuid7(self, now: int) -> UUID:
        return super().uuid7(self._n)


class WorldMint(Mint):
    """The chance of the world that a call is of: the seed's where it was made with one, else the server's."""

    def __init__(self, server: Mint, draws: dict[UUID, int]) -> None:
        self._server, self._draws = server, draws

    def _mint(self) -> Mint:
        found = _here.get()
        if found is None or found.world.seed is None:
            return self._server
        if found.chance is None:
            n = self._draws.get(found.world.team_id, 0) + 1
            self._draws[found.world.team_id] = n
            found.chance = SeededMint(found.world.seed, n)
        return found.chance

    def bytes(self, length: int) -> bytes:
        return self._mint().bytes(length)

    def uuid7(self, now: int) -> UUID:
        return self._mint().uuid7(now)

    def digits(self, length: int) -> str:
        return self._mint().digits(length)

    def alphanumeric(self, length: int) -> str:
        return self._mint().alphanumeric(length)

    def fraction(self) -> float:
        return self._mint().fraction()


class Arrivals:
    """Wakes whoever waits for a team's next mail. Holds nothing for a team that nobody waits for."""

    def __init__(self) -> None:
        self._next: WeakValueDictionary[UUID, asyncio.Event] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._next)

    def next_of(self, team_id: UUID) -> asyncio.Event:
        """Set as soon as a mail arrives from now on; take it before looking into the inbox."""
        event = self._next.get(team_id)
        if event is None:
            event = self._next[team_id] = asyncio.Event()
        return event

    def announce(self, team_id: UUID) -> None:
        """A mail has arrived."""
        if (event := self._next.pop(team_id, None)) is not None:
            event.set()


@dataclass(frozen=True, slots=True)
class Kept:
    """A world as it was: its rows, and how many of its calls had drawn."""

    rows: Snapshot = field(repr=False)
    draws: int


class Worlds:
    """What one process holds of its worlds. Clocks and seeds are in the database (core/worlds.py)."""

    def __init__(self, clock: Clock | None = None, mint: Mint | None = None) -> None:
        self._draws: dict[UUID, int] = {}
        self._kept: dict[UUID, dict[str, Kept]] = {}
        self.clock = WorldClock(clock or SystemClock())
        self.mint = WorldMint(mint or Mint(), self._draws)
        self.arrivals = Arrivals()

    @contextmanager
    def within(self, world: World | None) -> Iterator[None]:
        """Whatever happens in the block happens in *world*."""
        token = _here.set(None if world is None else _Here(world))
        try:
            yield
        finally:
            _here.reset(token)

    @contextmanager
    def seeded(self, seed: str | None) -> Iterator[None]:
        """The block makes a world, by the server's clock and by the seed's first draw."""
        token = _here.set(None if seed is None else _Here(World(UUID(int=0), seed=seed), SeededMint(seed, 0)))
        try:
            yield
        finally:
            _here.reset(token)

    def keep(self, team_id: UUID, rows: Snapshot) -> str:
        """Remember a world's rows; the name to ask for them by."""
        kept = self._kept.setdefault(team_id, {})
        name = f"snapshot-{len(kept) + 1}"
        kept[name] = Kept(rows, self._draws.get(team_id, 0))
        return name

    def kept(self, team_id: UUID, name: str) -> Snapshot | None:
        """The rows kept under that name, or None."""
        found = self._kept.get(team_id, {}).get(name)
        return found.rows if found is not None else None

    def rewind(self, team_id: UUID, name: str) -> None:
        """The world's chance goes on from where it was at that snapshot."""
        self._draws[team_id] = self._kept[team_id][name].draws

    def forget(self, team_id: UUID) -> None:
        """The world is no more."""
        self._draws.pop(team_id, None)
        self._kept.pop(team_id, None)

    def forget_all(self) -> None:
        """No world is any more."""
        self._draws.clear()
        self._kept.clear()

    @property
    def held(self) -> int:
        """How many things are held in memory, of all worlds together."""
        return len(self._draws) + sum(len(kept) for kept in self._kept.values())


class WorldWorker(Worker):
    """A worker to whom every mail is due by its own world's clock, and dead only when no clock could need it."""

    def __init__(self, transact: Transact, postman: Postman, waits: asyncio.Event, worlds: Worlds) -> None:
        super().__init__(transact, postman, waits)
        self._worlds = worlds

    async def _claim(self, most: int) -> list[Claimed]:
        async def claim(unit: Unit) -> list[Claimed]:
            return await outbox.claim(unit, most, ahead=core.ahead(unit, outbox.outbox.c.team_id))

        claimed: list[Claimed] = await self._transact(claim)
        return claimed

    async def _deliver(self, claimed: Claimed) -> None:
        world: World | None = await self._transact(lambda unit: core.find(unit, claimed.team_id))
        with self._worlds.within(world):
            await super()._deliver(claimed)

    async def sweep(self) -> int:
        """As `Worker.sweep`, by the clock that is furthest behind."""
        last: int = await self._transact(core.earliest)
        with self._worlds.within(World(UUID(int=0), stands_at=last)):
            return await super().sweep()

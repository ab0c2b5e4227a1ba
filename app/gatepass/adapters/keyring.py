"""Signing keys in memory: parsed once, at most a second behind the database.

Every process reads a ring again when its copy is a second old, so a rotation is known everywhere within that second. A
ring that is still empty gets its first key here, made off the event loop and outside any transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gatepass.adapters.clock import Clock
from gatepass.core import signing_keys
from gatepass.core.schema import SECOND
from gatepass.core.signing_keys import DEPLOYMENT, Ring, SigningKey
from gatepass.core.unit import Unit

Run = Callable[[Callable[[Unit], Awaitable[Any]]], Awaitable[Any]]

_Name = tuple[Ring, UUID]

FRESH = SECOND
_MOST_RINGS = 10_000


@dataclass(frozen=True, slots=True)
class _Copy:
    keys: list[SigningKey]
    read_at: int


class Keyring:
    """All rings of one process."""

    def __init__(self, read: Run, transact: Run, clock: Clock) -> None:
        self._read, self._transact, self._clock = read, transact, clock
        self._rings: dict[_Name, _Copy] = {}
        self._reading: dict[_Name, asyncio.Future[_Copy]] = {}

    async def keys(self, ring: Ring, scope: UUID = DEPLOYMENT) -> list[SigningKey]:
        """A ring's keys that may verify something now, oldest first; empty for a ring never used. Raises Unavailable."""
        name, now = (ring, scope), self._clock.now()
        copy = self._rings.get(name)
        if copy is not None and 0 <= now - copy.read_at < FRESH:
            return copy.keys
        if (reading := self._reading.get(name)) is None:
            reading = self._reading[name] = asyncio.ensure_future(self._read_ring(name, now))
        return (await asyncio.shield(reading)).keys

    async def _read_ring(self, name: _Name, now: int) -> _Copy:
        """Ask the database, once for everyone who waits."""
        try:
            copy = _Copy(await self._read(lambda unit: signing_keys.keys_of(unit, *name)), now)
        finally:
            was_forgotten = self._reading.get(name) is not asyncio.current_task()
            if not was_forgotten:
                del self._reading[name]
        if (
            copy.keys and not was_forgotten
        ):  # an empty ring is not remembered: a first key made elsewhere counts at once
            if len(self._rings) >= _MOST_RINGS:
                self._rings.clear()
            self._rings[name] = copy
        return copy

    async def signer(self, ring: Ring, scope: UUID = DEPLOYMENT) -> SigningKey:
        """The key that signs now; the ring's first one is made on demand. Raises Unavailable."""
        now = self._clock.now()
        if (key := signing_keys.signer_of(await self.keys(ring, scope), now)) is not None:
            return key
        fresh = await asyncio.to_thread(signing_keys.generate, ring, scope)
        await self._transact(lambda unit: signing_keys.store_first(unit, ring, scope, fresh))
        self.forget(ring, scope)
        key = signing_keys.signer_of(await self.keys(ring, scope), now)
        assert key is not None, "a ring that was just filled is not empty"
        return key

    async def verifiers(self, ring: Ring, scope: UUID = DEPLOYMENT) -> dict[str, Any]:
        """The ring's public keys by kid."""
        now = self._clock.now()
        return {key.kid: key.public for key in await self.keys(ring, scope) if key.verifies(now)}

    async def rotate(
        self, ring: Ring, scope: UUID = DEPLOYMENT, *, at_once: bool = False, transact: Run | None = None
    ) -> SigningKey:
        """Publish a new key for *ring*, behind any that another process publishes meanwhile; *transact* may know who asks.

        Raises Unavailable.
        """
        transact = transact or self._transact
        await self.signer(ring, scope)
        while True:
            fresh = await asyncio.to_thread(signing_keys.generate, ring, scope)
            key = await transact(lambda unit: signing_keys.rotate(unit, ring, scope, fresh, at_once=at_once))  # noqa: B023
            self.forget(ring, scope)
            if key is not None:
                assert isinstance(key, SigningKey)
                return key

    def forget(self, ring: Ring, scope: UUID = DEPLOYMENT) -> None:
        """Read this ring again at the next call. A reading under way may have seen it as it was."""
        self._rings.pop((ring, scope), None)
        self._reading.pop((ring, scope), None)

    def forget_all(self) -> None:
        """Read every ring again."""
        self._rings.clear()
        self._reading.clear()

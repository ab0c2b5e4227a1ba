"""What keys and ids name, remembered for a second: the paths that are served all day look nothing up twice within it.

Only answers are remembered, never refusals, so a new key works at once; a key revoked or a team changed through this
process is forgotten at once, through another one within the second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from gatepass.core.server_secret import sha256
from gatepass.core.unit import Unit

FRESH = 1.0
"""Seconds."""
_MOST = 10_000

K = TypeVar("K")
T = TypeVar("T")
Read = Callable[[Callable[[Unit], Awaitable[Any]]], Awaitable[Any]]


class Known(Generic[K, T]):
    """The answers that this process had lately to one question, *ask*.

    *remembered_as* says what of the name may stay in memory: of a secret its digest.
    """

    def __init__(
        self,
        read: Read,
        ask: Callable[[Unit, K], Awaitable[T]],
        *,
        remembered_as: Callable[[K], Hashable] = lambda name: name,
    ) -> None:
        self._read = read
        self._ask = ask
        self._remembered_as = remembered_as
        self._known: dict[Hashable, tuple[T, float]] = {}
        self._looking: dict[Hashable, asyncio.Future[T]] = {}

    async def named_by(self, name: K) -> T:
        """The answer for *name*, at most a second old. Raises as the question does."""
        kept_as = self._remembered_as(name)
        known = self._known.get(kept_as)
        if known is not None and time.monotonic() - known[1] < FRESH:
            return known[0]
        if (looking := self._looking.get(kept_as)) is None:
            looking = self._looking[kept_as] = asyncio.ensure_future(self._look_up(kept_as, name))
        return await asyncio.shield(looking)

    async def _look_up(self, kept_as: Hashable, name: K) -> T:
        """Ask the database, once for everyone who waits."""
        known = self._known
        began = time.monotonic()
        try:
            answer: T = await self._read(lambda unit: self._ask(unit, name))
        finally:
            if self._looking.get(kept_as) is asyncio.current_task():
                del self._looking[kept_as]
        if len(known) >= _MOST:
            known.clear()
        known[kept_as] = answer, began  # into what was forgotten meanwhile, if it was
        return answer

    def forget(self) -> None:
        """Ask again for every name. A look-up under way may have seen it as it was."""
        self._known = {}
        self._looking = {}


def digest(presented: str | None) -> bytes:
    """What is kept of a key."""
    return sha256(presented or "")

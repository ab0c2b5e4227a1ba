"""What publishable keys name, remembered for a second: the refresh path looks no key up twice within it.

Only answers are remembered, never refusals, so a new key works at once; a key revoked or a team changed through this
process is forgotten at once, through another one within the second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from gatepass.core import api_keys
from gatepass.core.api_keys import App
from gatepass.core.server_secret import sha256
from gatepass.core.unit import Unit

FRESH = 1.0
"""Seconds."""
_MOST = 10_000

Read = Callable[[Callable[[Unit], Awaitable[Any]]], Awaitable[Any]]


class KnownApps:
    """The apps behind the keys that this process has seen lately."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._known: dict[bytes, tuple[App, float]] = {}
        self._looking: dict[bytes, asyncio.Future[App]] = {}

    async def named_by(self, presented: str | None) -> App:
        """As `api_keys.authenticate_app`, at most a second old. Raises ApiKeyUnknown, DevelopmentKeyRefused."""
        digest = sha256(presented or "")
        known = self._known.get(digest)
        now = time.monotonic()
        if known is not None and now - known[1] < FRESH:
            return known[0]
        if (looking := self._looking.get(digest)) is None:
            looking = self._looking[digest] = asyncio.ensure_future(self._look_up(digest, presented))
        return await asyncio.shield(looking)

    async def _look_up(self, digest: bytes, presented: str | None) -> App:
        """Ask the database, once for everyone who waits."""
        known = self._known
        began = time.monotonic()
        try:
            app: App = await self._read(lambda unit: api_keys.authenticate_app(unit, presented))
        finally:
            if self._looking.get(digest) is asyncio.current_task():
                del self._looking[digest]
        if len(known) >= _MOST:
            known.clear()
        known[digest] = app, began  # into what was forgotten meanwhile, if it was
        return app

    def forget(self) -> None:
        """Look every key up again: one was revoked, or a team changed. A look-up under way may have seen it as it was."""
        self._known = {}
        self._looking = {}

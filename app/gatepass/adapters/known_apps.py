"""What publishable keys name, remembered for a second: the refresh path looks no key up twice within it.

Only answers are remembered, never refusals, so a new key works at once; a key revoked or a team changed through this
process is forgotten at once, through another one within the second.
"""

from __future__ import annotations

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

    async def named_by(self, presented: str | None) -> App:
        """As `api_keys.authenticate_app`, at most a second old. Raises ApiKeyUnknown, DevelopmentKeyRefused."""
        digest = sha256(presented or "")
        known = self._known.get(digest)
        now = time.monotonic()
        if known is not None and now - known[1] < FRESH:
            return known[0]
        app: App = await self._read(lambda unit: api_keys.authenticate_app(unit, presented))
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[digest] = app, now
        return app

    def forget(self) -> None:
        """Look every key up again: one was revoked, or a team changed."""
        self._known.clear()

"""The one reader of the wall clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Epoch ms."""
        ...


class SystemClock:
    """The host's clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that moves only when told; for tests."""

    def __init__(self, now: int = 1_790_000_000_250) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, *, seconds: float = 0, ms: int = 0) -> None:
        """Move forward, or back with a negative amount."""
        self._now += int(seconds * 1000) + ms

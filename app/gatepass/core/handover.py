"""From the commit that queued a mail straight to its delivery, within one process (outbox.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.core.outbox import Claimed


class Handover:
    """Mails under way in this process: so many places, and none while nobody delivers."""

    def __init__(self) -> None:
        self.places = 0
        self._deliver: Callable[[Claimed], None] | None = None

    def open(self, places: int, deliver: Callable[[Claimed], None]) -> None:
        """Take up to *places* mails at a time from now on. *deliver* begins with one and does not wait."""
        self.places, self._deliver = places, deliver

    def close(self) -> None:
        """Take no more."""
        self.places, self._deliver = 0, None

    def reserve(self, most: int = 1) -> int:
        """Keep up to *most* places for mails that are about to be committed; how many."""
        reserved = max(0, min(most, self.places))
        self.places -= reserved
        return reserved

    def release(self, places: int = 1) -> None:
        """Places are free again: their mails are settled, or were never committed."""
        if self._deliver is not None:
            self.places += places

    def take(self, mails: Iterable[Claimed]) -> None:
        """Deliver *mails*, committed under a lease, each on its own reserved place."""
        if self._deliver is not None:
            for claimed in mails:
                self._deliver(claimed)

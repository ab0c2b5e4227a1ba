"""Mail: what it says (compose.py), and where it goes: an SMTP server (mime.py, smtp.py) or the inbox (to_inbox.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gatepass.core.outbox import Claimed
from gatepass.core.unit import Unit

Transact = Callable[[Callable[[Unit], Awaitable[Any]]], Awaitable[Any]]


class DeliveryFailed(Exception):
    """A mail did not leave. *for_good*: no later try can succeed. The message holds no address and no code."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


class Postman(Protocol):
    """Carries mails away."""

    async def deliver(self, claimed: Claimed) -> None:
        """Hand over one mail, well within its lease. Raises DeliveryFailed."""
        ...

    async def close(self) -> None:
        """Let go of whatever is held open between two mails."""
        ...

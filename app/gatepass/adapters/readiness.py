"""Whether a process can do its work: what `/readyz` says, and the console's first page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from gatepass.adapters.migrations import is_behind
from gatepass.core import outbox, signing_keys
from gatepass.core.errors import Unavailable
from gatepass.core.schema import MINUTE
from gatepass.core.server_secret import SealBroken
from gatepass.core.signing_keys import DEPLOYMENT, Ring
from gatepass.core.unit import Unit

log = structlog.get_logger("gatepass")

PATIENCE = 2.0
"""Seconds a database may take to answer one question."""
STUCK_OUTBOX = 5 * MINUTE
"""A mail waiting this long means that none leaves."""
Read = Callable[[Callable[[Unit], Awaitable[Any]]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Readiness:
    """The parts that fail, each with what is wrong: `database`, `schema`, `signing_key`, `outbox`.

    *outbox_age*: ms that the oldest mail has waited. The words are ours: a driver's message may name a host.
    """

    wrong: Mapping[str, str] = field(default_factory=dict)
    outbox_age: int = 0

    @property
    def status(self) -> Literal["ready", "degraded", "not ready"]:
        """Mail that does not leave only degrades: all processes share one outbox."""
        return "ready" if not self.wrong else "degraded" if self.wrong.keys() == {"outbox"} else "not ready"


async def look(read: Read) -> Readiness:
    """Ask the database, through *read*. Never raises, never hangs."""

    async def ask(unit: Unit) -> int | None:
        if await is_behind(unit.db):
            return None
        await signing_keys.keys_of(unit, Ring.ACCESS, DEPLOYMENT)
        return await outbox.oldest_waiting(unit)

    # Not wait_for: it would wait for the cancelled question to clean up, and a hanging database lets nothing finish.
    question = asyncio.ensure_future(read(ask))
    answered, _ = await asyncio.wait({question}, timeout=PATIENCE)
    if not answered:
        question.add_done_callback(lambda late: late.cancelled() or late.exception())
        question.cancel()
        return Readiness({"database": f"hanging: no answer in {PATIENCE:.0f} s"})
    try:
        age = question.result()
    except Unavailable as error:
        log.warning("not_ready", reason=str(error))
        return Readiness({"database": "down: out of reach"})
    except SealBroken:
        return Readiness({"signing_key": "sealed: no secret in GATEPASS_SECRET_KEY opens it; list the earlier one too"})
    except Exception:
        log.exception("not_ready")
        return Readiness({"database": "down: it refuses us; the log says why"})
    if age is None:
        return Readiness({"schema": "stale: run gatepass migrate up"})
    return Readiness({"outbox": "stuck: no mail leaves"} if age > STUCK_OUTBOX else {}, age)

"""`fast_forward.app`, whose worker keeps pace: what it does every few minutes it does every few seconds."""

from __future__ import annotations

from starlette.types import ASGIApp

import fast_forward
from gatepass.adapters import worker

PURGE_EVERY = 10.0
"""Seconds between two purges, which the clock makes an hour and forty minutes: twenty times as seldom as in production."""


def app() -> ASGIApp:
    """See `fast_forward.app`."""
    worker.PURGE_EVERY = PURGE_EVERY
    return fast_forward.app()

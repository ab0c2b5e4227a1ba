"""Passwords beside the event loop: hashing takes 19 MiB and a tenth of a second, so only a few run at a time."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from gatepass.core import operators

AT_ONCE = 2
"""How many are hashed at a time by one process: strangers may ask for many more."""
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _turn() -> asyncio.Semaphore:
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


async def hash_password(password: str) -> str:
    """As `operators.hash_password`."""
    async with _turn():
        return await asyncio.to_thread(operators.hash_password, password)


async def check_password(password: str, hashed: str) -> bool:
    """As `operators.check_password`."""
    async with _turn():
        return await asyncio.to_thread(operators.check_password, password, hashed)

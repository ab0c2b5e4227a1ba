"""Ids as strangers write them, and ids as instants."""

from __future__ import annotations

import re
from uuid import UUID

_CANONICAL = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def find_id(presented: str) -> UUID | None:
    """The id in *presented*, or None when it is none.

    Only the form of RFC 9562 section 4, in either case: `UUID()` alone also takes braces, `urn:uuid:`, underscores and
    the digits of every script.
    """
    return UUID(presented) if _CANONICAL.fullmatch(presented) else None


def first_id(now: int) -> UUID:
    """Not after any UUIDv7 made at *now* (ms)."""
    return UUID(int=min(max(0, now), 2**48 - 1) << 80)

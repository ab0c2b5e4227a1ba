"""Input that nobody asked for: values of the wrong kind, strings that mean nothing, bodies that are no JSON.

Every dialect's test of bad input draws from here, so that what was once found to hurt one is tried on all.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, true

from gatepass.core import limits, tables, teams
from gatepass.core.unit import Unit
from harness import Server

CANARY = "canary7f3a"
"""Stands in whatever is sent, and in nothing that is answered or logged."""

WRONG_TYPES = [
    "0", "-1", "1.5", "1e308", "1e999", str(2**63), str(-(2**63) - 1), "9" * 4000, "true", "false", "[]", "{}",
    f'["{CANARY}"]', f'{{"{CANARY}":"{CANARY}"}}', "[" * 400 + "]" * 400,
]  # fmt: skip
"""JSON that is well-formed, and no string."""
STRINGS = [
    "", " ", "\0", f"{CANARY}\0", CANARY, "x" * 129, CANARY * 1500, "\u202e\u200b", "\U0001f600" * 500, "\uffff",
    "' OR 1=1 --", "../../etc/passwd", "%00", "${jndi:x}", "1\r\nx-injected: 1", "\u0130\u0131\ufb03", "0x1F", "-0",
]  # fmt: skip
"""Strings that are none of what a field with a form of its own asks for."""
HALF_CHARACTERS = ['"\\ud800"', f'"{CANARY}\\udfff"', '"\\ude00\\ud83d"']
"""JSON strings that no text is made of (RFC 8259 section 8.2)."""
NOT_JSON = [
    "NaN", "Infinity", "-Infinity", "undefined", "'x'", '"', '"\t"', '"\\x"', "01", "+1", ".5", "[" * 7000, "9" * 5000,
    '{"a":' * 1500, "",
]  # fmt: skip
NO_IDS = [
    "x", "%20", "%00", "%ff", "%c3%28", "a" * 9000, "7c1f2f0e6a554b0b9a2e0f6d2f1b9d34", CANARY, "%2e%2e", "undefined",
    "%7B7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34%7D", "urn:uuid:7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34",
    "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34%00", "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d3%D9%A4", "7c1f2f0e_6a55",
]  # fmt: skip
"""Parts of a path that are no id; the fourth from the end and those after it are ids to `uuid.UUID`, or nearly."""
KEYS = [
    "", " ", CANARY, CANARY * 500, CANARY * 6000, f"{CANARY}\u00e9{CANARY}", f"{CANARY} {CANARY}", "\u00ff" * 40,
    f"{CANARY * 2}\t", "*" * 4096, "null", "undefined",
]  # fmt: skip
BEARERS = [
    "", "Bearer", "Bearer ", "Basic Zm9vOmJhcg==", f"Bearer {CANARY}", "Bearer a.b.c", "Bearer ..", "DPoP a.b.c", "\u00ff",
    "Bearer " + "a" * 60_000, f"Bearer {CANARY}\u00e9", "Bearer e30.e30.e30", "Bearer e30.e30.", "Bearer null",
    "Bearer Bearer a.b.c",
]  # fmt: skip


def spoiled(good: bytes) -> Iterator[bytes]:
    """Bodies that are no JSON object in UTF-8, made of one that is."""
    yield from (b" ", b"null", b"true", b"0", b'"x"', b"[]", b"[" + good + b"]", b"{", b"{}{}", good[:-1])
    yield from (good + b"x", good + good, good[:-1] + b",}", good.replace(b'"', b"'"), b"email=x", b"<x/>", b"\0" * 9)
    yield from (good.decode().encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"))
    yield from (good.replace(b'":"', b'":"' + bad) for bad in (b"\xff", b"\xed\xa0\x80", b"\x00"))
    yield from (b"\xc0\xaf", gzip.compress(good))


async def contents(server: Server, *team_ids: UUID) -> dict[str, list[Any]]:
    """Every row of these teams, and how many rows each table holds in all; nothing of the counters of limits."""

    async def read(unit: Unit) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for table in tables.ALL:
            if table is limits.limits:
                continue
            team = table.c.get("team_id", teams.teams.c.id if table is teams.teams else None)
            rows = await unit.db.execute(select(table).where(true() if team is None else team.in_(team_ids)))
            found[table.name] = [
                await unit.db.scalar(select(func.count()).select_from(table)),
                *sorted(map(repr, rows)),
            ]
        return found

    return await server.runtime.read(read)

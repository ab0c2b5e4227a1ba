"""The audit log as CSV (RFC 4180), streamed: a page of events at a time, each read in a transaction of its own.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break for a formula; an apostrophe before
it makes it text. No event holds text that a stranger chose, and the export does not rely on that.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

from gatepass.core import audit
from gatepass.core.audit import AuditEvent, Filter
from gatepass.core.unit import Unit

Read = Callable[[Callable[[Unit], Awaitable[list[AuditEvent]]]], Awaitable[list[AuditEvent]]]

PAGE = 500
HEADS = ("at", "event", "team_id", "user_id", "session_id", "detail", "id")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def export(read: Read, wanted: Filter) -> AsyncIterator[str]:
    """Lines of CSV, newest event first, its head before all; what is appended meanwhile is left out. Raises as *read*."""
    page = await read(lambda unit: audit.list_events(unit, wanted, limit=PAGE))
    yield lines([HEADS]) + lines(map(_cells, page))
    while len(page) == PAGE:
        page = await read(partial(_page, wanted, page[-1]))
        yield lines(map(_cells, page))


async def begin(read: Read, wanted: Filter) -> AsyncIterator[str]:
    """The same, its first page read already: what can be refused is refused before an answer has begun."""
    text = export(read, wanted)
    first = await anext(text)

    async def whole() -> AsyncIterator[str]:
        yield first
        async for more in text:
            yield more

    return whole()


async def _page(wanted: Filter, last: AuditEvent, unit: Unit) -> list[AuditEvent]:
    return await audit.list_events(unit, wanted, before=last.id, limit=PAGE)


def lines(rows: Iterable[Iterable[object]]) -> str:
    """*rows* as CSV, every cell inert in a spreadsheet; None is empty."""
    written = io.StringIO()
    csv.writer(written).writerows([_inert(cell) for cell in row] for row in rows)
    return written.getvalue()


def _inert(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cells(event: AuditEvent) -> tuple[object, ...]:
    at = (_EPOCH + timedelta(milliseconds=event.at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    detail = " ".join(f"{name}={value}" for name, value in event.detail.items())
    return at, event.event.value, event.team_id, event.user_id, event.session_id, detail, event.id

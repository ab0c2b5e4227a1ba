"""The journal: what was asked and what was answered, without the secrets, for a test to look at or wait for."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from gatepass.adapters import logs
from gatepass.traffic.calls import Call, shape_of

KEPT = 200
"""Calls of one world."""
LONGEST_BODY = 8 * 1024
"""Bytes. A longer body is told by its size."""
_WORD_OF_OURS = re.compile(r"[A-Z]+(_[A-Z]+)*|[a-z]+(_[a-z]+)*")


class Recorded(BaseModel):
    """One call. *path* is the route's template, or the path with its values left out where no route took it; *at* and
    *took* in ms, by the server's own clock; *status* is the server's, also where a *fault* lost its answer. *generation*
    tells the tokens of a session apart without telling them.
    """

    id: int
    at: int
    took: int
    method: str
    path: str
    query: dict[str, Any]
    status: int
    fault: str | None
    user: UUID | None
    session: UUID | None
    generation: int | None
    request: Any
    response: Any


class Unmatched(Recorded):
    """A call that no route took, or that came from no world. *near*: the routes that it may have meant."""

    why: Literal["no such route", "no such method", "of no known world"]
    near: list[str]


class Journal:
    """The latest calls of one world, oldest first."""

    def __init__(self) -> None:
        self._calls: deque[Recorded] = deque(maxlen=KEPT)
        self._arrival = asyncio.Event()

    def note(self, recorded: Recorded) -> None:
        self._calls.append(recorded)
        self._arrival.set()
        self._arrival = asyncio.Event()

    def select(self, *, path: str | None = None, method: str | None = None, after: int = 0) -> list[Recorded]:
        """Those to *path* (a template or a glob) with *method*, behind the one whose id is *after*."""
        return [
            one
            for one in self._calls
            if one.id > after
            and (path is None or Call(one.method, one.path, one.path).is_to(path))
            and (method is None or one.method == method.upper())
        ]

    async def wait(self, count: int, seconds: float, **which: Any) -> list[Recorded]:
        """The same as soon as there are *count* of them, or as many as there are after *seconds*."""
        end = asyncio.get_running_loop().time() + seconds
        while len(found := self.select(**which)) < count:
            try:
                async with asyncio.timeout_at(end):
                    await self._arrival.wait()
            except TimeoutError:
                break
        return found


def shown_query(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """The members of a query."""
    return {name: logs.redacted(name, value) for name, value in pairs}


def shown_path(call: Call) -> str:
    """The route's template, or the path's shape: a mistyped one may still end in a one-time key."""
    return call.route or str(logs.redacted("path", shape_of(call.path)))


def shown_body(members: object, size: int, *, answer: bool) -> Any:
    """A body of *size* bytes that read as *members*, or what is left to say of one that is long or is no data.

    Words and numbers of our own answers stay: `"code": 1` is no secret there, while a caller's code is one.
    """
    if members is None or size > LONGEST_BODY:
        return f"({size} bytes)" if size else None
    return _shown("body", members, answer=answer)


def _shown(name: str, value: Any, *, answer: bool) -> Any:
    if answer and isinstance(value, dict):
        return {key: _shown(key, inner, answer=True) for key, inner in value.items()}
    if answer and isinstance(value, list):
        return [_shown(name, inner, answer=True) for inner in value]
    if answer and (isinstance(value, int) or (isinstance(value, str) and _WORD_OF_OURS.fullmatch(value))):
        return value
    return logs.redacted(name, value)

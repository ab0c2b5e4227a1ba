"""Stands behind the door in test mode: lets faults happen to the calls that pass, and keeps the journal of them.

Production's application is assembled without it. The control plane's own calls pass untouched.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import httpx
from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepass.adapters.clock import Clock
from gatepass.adapters.http_protocol import BREAK_OFF
from gatepass.core import errors
from gatepass.core.errors import Refusal, Unavailable
from gatepass.core.ids import find_id
from gatepass.surfaces.testing.door import PARTY
from gatepass.traffic import Traffic
from gatepass.traffic.calls import CONTROL_PLANE, Call
from gatepass.traffic.faults import LONGEST, Do
from gatepass.traffic.journal import shown_body, shown_path, shown_query
from gatepass.traffic.parties import NOBODY, Party, read_members
from gatepass.wiring import Fault

READ_AHEAD = 64 * 1024
"""Bytes of a body that are looked at. A longer one streams on to the handler, and is not delivered twice."""

Spell = Callable[[str, Refusal], Response]
"""How the surface that a path belongs to spells a refusal."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, kept back. *failure* is what the application raised after it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    failure: Exception | None = None

    async def send(self, send: Send, share: float = 1) -> None:
        """Send it, or the first *share* of its body as if more were to come."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        part = self.body[: int(len(self.body) * share)]
        await send({"type": "http.response.body", "body": part, "more_body": share < 1})


class _ReadAhead:
    """The beginning of a request's body, to be read as often as needed; behind it, whatever comes from the caller."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[Message] = []
        self.body = b""
        self.is_whole = False

    async def fill(self) -> None:
        while not self.is_whole and len(self.body) <= READ_AHEAD:
            message = await self._receive()
            self._messages.append(message)
            if message["type"] != "http.request":
                return
            self.body += message.get("body", b"")
            self.is_whole = not message.get("more_body", False)

    def again(self) -> Receive:
        messages = iter(self._messages)

        async def receive() -> Message:
            return next(messages, None) or await self._receive()

        return receive


class Interception:
    """Wraps *app*, whose calls *traffic* remembers by *clock*, the server's own."""

    def __init__(self, app: ASGIApp, traffic: Traffic, spell: Spell, clock: Clock) -> None:
        self.app, self._traffic, self._spell, self._clock = app, traffic, spell, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PLANE):
            await self.app(scope, receive, send)
            return
        began = self._clock.now()
        ahead = _ReadAhead(receive)
        await ahead.fill()
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        members = read_members(_header(scope["headers"], b"content-type"), ahead.body)
        call = self._call_of(scope)
        do = self._traffic.strike(call)
        answer = await self._handle(scope, ahead, do)
        self._traffic.note(
            call,
            at=began,
            took=self._clock.now() - began,
            path=shown_path(call),
            query=shown_query(query),
            status=answer.status,
            fault=do.kind if do is not None else None,
            request=shown_body(members, len(ahead.body), answer=False),
            response=shown_body(
                read_members(_header(answer.headers, b"content-type"), answer.body), len(answer.body), answer=True
            ),
        )
        await self._deliver(answer, do, scope, receive, send)
        if answer.failure is not None:
            raise answer.failure

    def _call_of(self, scope: Scope) -> Call:
        path = scope["path"].rstrip("/") or "/"
        route, parameters = self._traffic.routes.find(scope["method"], path)
        party: Party = scope.get(PARTY, NOBODY)
        if party.user is None:
            party = replace(party, user=find_id(parameters.get("user_id", "")))
        return Call(scope["method"], path, route, party)

    async def _handle(self, scope: Scope, ahead: _ReadAhead, do: Do | None) -> Answer:
        kind = do.kind if do is not None else None
        if do is not None and do.status is not None:
            return self._refuse(scope["path"], do.status, do.retry_after)
        if kind == "duplicate" and ahead.is_whole:
            await _answer_of(self.app, {**scope}, ahead.again())
        answer = await _answer_of(self.app, scope, ahead.again())
        if do is not None and kind == "commit_then_503":
            return self._refuse(scope["path"], 503, do.retry_after)
        return answer

    def _refuse(self, path: str, status: int, retry_after: int | None) -> Answer:
        """*status* as the surface of *path* would spell it, in the words of its nearest refusal where it has no such."""
        spelled = [self._spell(f"{path}/", refusal) for refusal in _refusals(status, retry_after or 1)]
        response = next((each for each in spelled if each.status_code == status), spelled[0])
        body = json.dumps(
            _restated(json.loads(bytes(response.body)), response.status_code, status), separators=(",", ":")
        )
        if retry_after is not None:
            response.headers["retry-after"] = str(retry_after)
        response.headers["content-length"] = str(len(body.encode()))
        return Answer(status, response.raw_headers, body.encode())

    async def _deliver(self, answer: Answer, do: Do | None, scope: Scope, receive: Receive, send: Send) -> None:
        kind = do.kind if do is not None else None
        delay = do.delay_ms if do is not None else None
        if kind == "hang":
            await _hang_up_of(receive, LONGEST if delay is None else delay)
        elif delay is not None:
            await asyncio.sleep(delay / 1000)
        if kind == "truncate":
            await answer.send(send, share=0.5)
        if kind in ("truncate", "hang", "commit_then_drop"):
            _break_off(scope)
        else:
            await answer.send(send)


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """What *app* answers, whole. Raises what it raises before it has answered."""
    start: Message = {}
    body = bytearray()
    failure: Exception | None = None

    async def keep(message: Message) -> None:
        start.update(message) if message["type"] == "http.response.start" else body.extend(message.get("body", b""))

    try:
        await app(scope, receive, keep)
    except Exception as error:
        if not start:
            raise
        failure = error
    return Answer(start["status"], list(start.get("headers", [])), bytes(body), failure)


async def _hang_up_of(receive: Receive, patience: int) -> None:
    """Return when the caller has hung up, or after *patience* ms."""
    try:
        async with asyncio.timeout(patience / 1000):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass


def _break_off(scope: Scope) -> None:
    """Break the connection as the server can; in process, where there is none, as a client would see it broken."""
    break_off = scope.get("extensions", {}).get(BREAK_OFF)
    if break_off is None:
        raise httpx.ReadError("a fault of this world broke the connection")
    break_off()


def _refusals(status: int, retry_after: int) -> list[Refusal]:
    """What a status may mean, the likeliest first."""
    common: dict[int, Refusal] = {
        400: errors.InputRefused(),
        401: errors.AccessTokenExpired(),
        403: errors.Forbidden(),
        404: errors.NotFound("fault"),
        409: errors.Conflict("a fault of this world"),
        422: errors.InputRefused(),
        429: errors.TooManyRequests(retry_after),
        500: Fault(),
    }
    first = common.get(status) or (Unavailable(retry_after=retry_after) if status > 500 else errors.InputRefused())
    return [first, errors.ApiKeyUnknown(), errors.RefreshTokenUnknown(), errors.SignInTokenInvalid()]


def _restated(body: Any, said: int, status: int) -> Any:
    """*body* with the status that it repeats changed from *said*."""
    if isinstance(body, dict):
        return {
            name: status if name in ("status", "code") and value == said else _restated(value, said, status)
            for name, value in body.items()
        }
    return [_restated(value, said, status) for value in body] if isinstance(body, list) else body


def _header(headers: list[tuple[bytes, bytes]], wanted: bytes) -> str:
    return next((value for name, value in headers if name.lower() == wanted), b"").decode("latin-1")

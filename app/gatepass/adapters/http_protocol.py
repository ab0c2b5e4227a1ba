"""Our end of a connection: uvicorn's, which also watches the clock and, in test mode, can break off.

uvicorn waits for ever for a request that never comes whole, so a few hundred sockets that trickle can hold a server. It
also answers every request or closes in good order, so no fault could lose an answer that was committed. Both belong to
the protocol; nothing above it sees a socket. What this relies on is uvicorn's inside: tests/adapters/test_http_protocol.py
fails when that changes.
"""

from __future__ import annotations

import socket
import struct
from asyncio import TimerHandle, Transport
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_DEADLINE = 10.0
"""Seconds in which the head of a request must arrive whole; on a fresh connection, counted from its first moment."""
BODY_DEADLINE = 15.0
"""Seconds for a body, and one more for every `SLOWEST` bytes of it: uploads over bad networks are long, not stuck."""
SLOWEST = 16 * 1024

BREAK_OFF = "gatepass.break_off"
"""The ASGI extension: `scope["extensions"]["gatepass.break_off"]()` breaks the connection."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class HttpProtocol(HttpToolsProtocol):
    """Closes connections whose requests do not arrive in time. A request that comes in one piece costs no timer."""

    def __init__(
        self, *given: Any, head_deadline: float = HEAD_DEADLINE, body_deadline: float = BODY_DEADLINE, **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self._head_deadline, self._body_deadline = head_deadline, body_deadline
        self._timer: TimerHandle | None = None
        self._awaited: object = None
        self._arrived = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await(self, self._head_deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        unfinished = self._unfinished()
        if unfinished is self._awaited:
            self._arrived += len(data)
        elif unfinished is None:
            self._await(None)
        elif unfinished is self.cycle:
            self._await(unfinished, self._body_deadline)
        elif self._awaited is self:
            self._awaited = unfinished  # the first head of the connection, already timed
        else:
            self._await(unfinished, self._head_deadline)

    def _unfinished(self) -> object:
        """What has not arrived whole: anything at all (self), a head (its scope), a body (its cycle), or nothing."""
        if self.scope is None:
            return self
        if "method" not in self.scope:
            return self.scope
        if self.cycle is not None and self.cycle.scope is self.scope and self.cycle.more_body:
            return self.cycle
        return None

    def _await(self, awaited: object, seconds: float = 0) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._awaited, self._arrived = awaited, 0
        if awaited is not None:
            self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self.flow.read_paused:  # by us: it is not the peer who is slow
            self._await(self._awaited, self._body_deadline)
        elif self._arrived and self._awaited is self.cycle:
            self._await(self._awaited, self._arrived / SLOWEST)
        else:
            self.transport.abort()


class BreakableHttpProtocol(HttpProtocol):
    """The same for test mode: offers the extension that breaks a connection off."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        scope: Any = cycle.scope
        break_off: Callable[[], None] = partial(self._break_off, cycle)
        scope["extensions"] = {**scope.get("extensions", {}), BREAK_OFF: break_off}
        super()._start_asgi_task(cycle, app)

    def _break_off(self, cycle: RequestResponseCycle) -> None:
        """Reset the connection; once an answer has begun, end it where it is, so that its beginning arrives."""
        if cycle.disconnected or self.transport.is_closing():
            return  # the caller was first
        cycle.disconnected = True
        if cycle.response_started:
            self.transport.close()
            return
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

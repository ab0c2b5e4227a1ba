"""Our end of a connection: uvicorn's, which also watches the clock and the measure and, in test mode, can break off.

uvicorn waits for ever for a request that never comes whole and for a peer that never reads, takes a head of any length,
reads on through a body that was refused, and lets what follows a body pass for headers. So a few hundred sockets could
hold a server. It also answers every request or closes in good order, so no fault could lose an answer that was
committed. All that belongs to the protocol; nothing above it sees a socket. And it hands the system an answer in two
pieces, head and body, each a call that costs as much as most of what a request does here. What this relies on is
uvicorn's inside: tests/adapters/test_http_protocol.py fails when that changes.
"""

from __future__ import annotations

import heapq
import resource
import socket
import struct
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, NoReturn

from httptools import HttpParserError
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

HEAD_DEADLINE = 10.0
"""Seconds in which the head of a request must arrive whole; on a fresh connection, counted from its first moment."""
BODY_DEADLINE = 12.0
"""Seconds for a body, and one more for every `SLOWEST` bytes of it: uploads over bad networks are long, not stuck."""
SLOWEST = 16 * 1024
UNREAD_DEADLINE = 12.0
"""Seconds in which a caller must take `SLOWEST` bytes of the answer that waits for it."""
LINGER = 2.0
"""Seconds to go on taking what a refused caller still sends: closing at once would destroy the answer on its way
(RFC 9112 section 9.6)."""

MOST_HEAD = 32 * 1024
"""Bytes of a head, its target included."""
MOST_HEADERS = 100
MOST_WAITING = 16
"""Requests that may wait on one connection for the answers before theirs."""
MOST_WRAPPING = 64 * 1024
"""Bytes around a body (chunk sizes, extensions, trailers) beyond as many as the body itself has."""
MOST_UNWANTED = 64 * 1024
"""Bytes of a body that may still come after its answer, before the connection is given up."""
MOST_CONNECTIONS = 4096
"""Per process, where the system allows as many."""

BREAK_OFF = "gatepass.break_off"
"""The ASGI extension: `scope["extensions"]["gatepass.break_off"]()` breaks the connection."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class HttpProtocol(HttpToolsProtocol):
    """Closes connections whose requests do not arrive in time and in measure. A request in one piece costs no timer."""

    def __init__(
        self,
        *given: Any,
        head_deadline: float = HEAD_DEADLINE,
        body_deadline: float = BODY_DEADLINE,
        unread_deadline: float = UNREAD_DEADLINE,
        most_connections: int = 0,
        **named: Any,
    ) -> None:
        super().__init__(*given, **named)
        self._head_deadline, self._body_deadline = head_deadline, body_deadline
        self._unread_deadline = unread_deadline
        self._most_connections = most_connections or connections_allowed()
        self._timer: TimerHandle | None = None
        self._awaited: object = None
        self._chunk = self._arrived = self._delivered = 0
        self._refusal = 400, "Invalid HTTP request received."
        self._lingers = self._leaves = False
        self._unread: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._most_connections:
            _make_room(self.connections, self._most_connections)
        self._await(self, self._head_deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(None)
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            return
        self._chunk = len(data)
        super().data_received(data)
        if self._lingers:
            return
        unfinished = self._unfinished()
        if unfinished is self._awaited:
            self._arrived += len(data)
            if unfinished is not None:
                self._measure()
        elif unfinished is None:
            self._await(None)
        elif unfinished is self.cycle:
            self._await(unfinished, self._body_deadline)
        elif self._awaited is self:
            self._awaited = unfinished  # the first head of the connection, already timed
        else:
            self._await(unfinished, self._head_deadline)

    # In time.

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
        self._awaited, self._arrived, self._delivered = awaited, 0, 0
        if awaited is not None:
            self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self.flow.read_paused:  # by us: it is not the peer who is slow
            self._await(self._awaited, self._body_deadline)
        elif self._arrived and self._awaited is self.cycle and not self.cycle.response_complete:
            self._await(self._awaited, self._arrived / SLOWEST)
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._watch_unread()

    def _watch_unread(self) -> None:
        if self._unread is None:
            left = self.transport.get_write_buffer_size()
            self._unread = self.loop.call_later(self._unread_deadline, self._unread_still, left)

    def _stop_watching(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _unread_still(self, before: int) -> None:
        self._unread = None
        left = self.transport.get_write_buffer_size()
        if left > before - SLOWEST and left:
            self.transport.abort()
        elif left:
            self._watch_unread()

    # In measure.

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_HEADERS:
            self._refuse(431, "Too many headers.")
        if (self._chunk > MOST_HEAD or self._awaited is self.scope) and self._head_size() > MOST_HEAD:
            self._refuse(431, "The head of the request is too long.")
        if len(self.pipeline) >= MOST_WAITING:
            self._refuse(429, "Too many requests wait on this connection.")
        super().on_headers_complete()
        if self._leaves:
            self.cycle.keep_alive = False
        self.headers = []  # for trailers, which are no headers (RFC 9110 section 6.5.1)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._delivered += len(body)
        super().on_body(body)

    def _measure(self) -> None:
        """Give up what has brought more than it may and is not whole yet."""
        if self._awaited is not self.cycle:
            if self._arrived > MOST_HEAD:
                self._refusal = 431, "The head of the request is too long."
                self.send_400_response("")
        elif self.cycle.response_complete:
            if self._arrived > MOST_UNWANTED:
                self._linger()
        elif self._arrived > 2 * self._delivered + MOST_WRAPPING:
            self.transport.abort()

    def _refuse(self, status: int, said: str) -> NoReturn:
        """Stop the parser here; uvicorn then asks for `send_400_response`."""
        self._refusal = status, said
        raise HttpParserError(said)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not taken, and close; beside an answer that is under way no other can be put."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        status, said = self._refusal
        head = [STATUS_LINE[status]]
        head += [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        head += [b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(said)]
        self.transport.write(b"".join((*head, b"connection: close\r\n\r\n", said.encode())))
        self._linger()

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade is an offer, and ignoring it an answer (RFC 9110 section 7.8)."""

    def _linger(self) -> None:
        """Say no more, and drop unparsed what still comes for a moment; then close."""
        self._await(None)
        self._lingers = True
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER, self.transport.abort)

    # Until told to stop.

    def shutdown(self) -> None:
        """Leave after the answer that is under way, or after one that is asked for before the idle time has passed: who
        keeps idle connections for less, as a proxy should, never sends a request to a closed one.
        """
        self._leaves = True
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
        elif self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def ends_at(self) -> float | None:
        """When (loop time) this connection will be closed if nothing more comes; None while a request is served."""
        waits = self._timer or self.timeout_keep_alive_task
        return waits.when() if waits is not None else None


class _Cycle(RequestResponseCycle):
    """uvicorn's, which says an answer in one write where its head tells how long it is and its body comes in one piece."""

    _head: Any = None

    async def send(self, message: Any) -> None:
        if self.response_started:
            return await super().send(message)
        head, self._head = self._head, None
        if message["type"] == "http.response.start":  # a second one is uvicorn's, for an answer that broke off
            if not self._may_wait(message):
                return await super().send(message)
            self._head = message
            return None
        if head is None:
            return await super().send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            return await self._say(head, message.get("body", b""))
        await super().send(head)
        return await super().send(message)

    def _may_wait(self, head: Any) -> bool:
        """Whether a head waits for its body: of a stream, whose first part may be long in coming, it does not."""
        names = [name for name, _ in head["headers"]] if "headers" in head else ()
        return b"content-length" in names and b"connection" not in names and self.scope["method"] != "HEAD"

    async def _say(self, head: Any, body: bytes) -> None:
        """A whole answer. Raises RuntimeError for one that would not arrive as what it is."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        headers = [*self.default_headers, *head["headers"]]
        if (b"content-length", b"%d" % len(body)) not in headers:
            raise RuntimeError("A body of another length than its head says.")
        if not self.keep_alive:
            headers.append((b"connection", b"close"))
        lines = b"\r\n".join(map(b": ".join, headers))
        if lines.translate(None, _IN_A_LINE) != b"\r\n" * (len(headers) - 1):
            raise RuntimeError("A header that would not arrive as one.")
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join((STATUS_LINE[head["status"]], lines, b"\r\n\r\n", body)))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


_IN_A_LINE = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
"""What a header may be made of (RFC 9110 section 5.5)."""
httptools_impl.RequestResponseCycle = _Cycle  # type: ignore[misc] # the protocol makes its cycles by this name alone


@cache
def connections_allowed() -> int:
    """How many connections this process may hold open, with some descriptors left for everything else."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(descriptors // 2, descriptors - 256))


def _make_room(connections: Iterable[Any], most: int) -> None:
    """Close the connections nearest their end, where no request is served: several, for who came may not be alone."""
    waiting = [(end, number, held) for number, held in enumerate(connections) if (end := held.ends_at()) is not None]
    for _, _, held in heapq.nsmallest(1 + most // 32, waiting):
        held.transport.close()


class BreakableHttpProtocol(HttpProtocol):
    """The same for test mode: offers the extension that breaks a connection off, and leaves at once."""

    def shutdown(self) -> None:
        HttpToolsProtocol.shutdown(self)

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

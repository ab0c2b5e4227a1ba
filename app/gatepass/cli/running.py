"""A server process: its socket, its signals, its workers."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from uvicorn.supervisors import Multiprocess

from gatepass.adapters.http_protocol import BreakableHttpProtocol, HttpProtocol
from gatepass.cli import backlog
from gatepass.cli.output import Failure

GRACE = 10
"""Seconds for requests under way when the server is told to stop."""
AT_THE_DOOR = 1.0
"""Seconds in which connections that were made but not taken yet must be taken, before the door is closed."""
TEST_GRACE = 1
"""The same in test mode, where requests may hang on purpose."""
DESCRIPTORS = 8192
"""Open files and sockets that a process asks the system for; many systems give 1024 to who does not ask."""


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to *host* and *port*; port 0 takes a free one. Raises Failure where that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise Failure(f"{host} is no address of this host", "name another with --host") from None
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise Failure(
            f"port {port} on {host} cannot be used: {error.strerror}", "take another with --port, or stop who has it"
        ) from None
    bound.set_inheritable(True)
    return bound


def config(app: Any, *, workers: int = 1, factory: bool = False, test_mode: bool = False) -> uvicorn.Config:
    """uvicorn as Gatepass runs it: it believes no proxy headers (wiring does, of trusted proxies) and hides its name.

    In *test_mode* the application may break connections off, and dates its answers itself, by the clock of their world.
    """
    return uvicorn.Config(
        app,
        factory=factory,
        workers=workers,
        http=BreakableHttpProtocol if test_mode else HttpProtocol,
        ws="none",
        loop="uvloop",
        proxy_headers=False,
        server_header=False,
        date_header=not test_mode,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=TEST_GRACE if test_mode else GRACE,
    )


class _Supervisor(Multiprocess):
    """uvicorn's, which has its workers stop only when nobody waits at the door."""

    def terminate_all(self) -> None:
        for listening in self.sockets:
            backlog.close_to_newcomers(listening)
        ends = time.monotonic() + AT_THE_DOOR
        while any(backlog.waiting(listening) for listening in self.sockets) and time.monotonic() < ends:
            time.sleep(0.005)
        for listening in self.sockets:
            listening.close()  # else who comes now would wait for this process to end
        super().terminate_all()


class _Announcing(uvicorn.Server):
    """Runs *ready* once the application has started, and stops when nobody waits at the door."""

    def __init__(self, served: uvicorn.Config, ready: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(served)
        self._ready = ready
        self.failure: BaseException | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._announcing = asyncio.ensure_future(self._ready())
            self._announcing.add_done_callback(self._announced)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in sockets or []:
            backlog.close_to_newcomers(listening)
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_THE_DOOR):
                while any(backlog.waiting(listening) for listening in sockets or []):  # noqa: ASYNC110 - the kernel tells
                    await asyncio.sleep(0.005)
        await super().shutdown(sockets)

    def _announced(self, task: asyncio.Future[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.failure = failure
            self.should_exit = True


def run(served: uvicorn.Config, bound: socket.socket, *, ready: Callable[[], Awaitable[None]] | None = None) -> None:
    """Serve until told to stop; SIGTERM and Ctrl-C are a normal end. Raises Failure when the server never started,
    and whatever *ready* raised."""
    stop_politely()
    _ask_for_descriptors()
    with closing(bound):
        if served.workers > 1:
            _Supervisor(served, [bound]).run()
            return
        server = _Announcing(served, ready)
        try:
            server.run([bound])
        except SystemExit as end:
            if end.code:
                raise Failure("the server did not start", "the log above says why") from None
            raise
        if server.failure is not None:
            raise server.failure
        if not server.started:
            raise Failure("the server did not start", "the log above says why")


def _ask_for_descriptors() -> None:
    """Raise this process's soft limit; the workers inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def stop_politely() -> None:
    """End this process in good order, with exit code 0, when it is told to stop outside of uvicorn's own handling."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))


def url(bound: socket.socket) -> str:
    """Where *bound* is reached from this host."""
    host, port = bound.getsockname()[:2]
    if host == "0.0.0.0":  # noqa: S104 - asked, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def answers(bound: socket.socket) -> bool:
    """Whether the server behind *bound* says that it is ready, asked over a real connection."""
    asked = urlsplit(url(bound))
    reader, writer = await asyncio.open_connection(asked.hostname, asked.port)
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {asked.netloc}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return b" 200 " in await reader.readline()
    finally:
        writer.close()

"""A server process: its socket, its signals, its workers."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from multiprocessing import connection, parent_process
from threading import Thread, Timer
from typing import Any
from urllib.parse import urlsplit

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from gatepass.adapters.http_protocol import BreakableHttpProtocol, HttpProtocol
from gatepass.cli import backlog
from gatepass.cli.output import Failure

log = structlog.get_logger("gatepass")

GRACE = 10
"""Seconds for requests under way when the server is told to stop."""
HANGS_AFTER = 30
"""Seconds in which a worker must say that it lives, the first time when it has started; on a busy machine that is long."""
STOPS_WITHIN = 13.0
"""Seconds from being told to stop until a process is gone, whatever it still waits for: ten for requests, the rest for
mail, counts and goodbyes where the other ends are silent."""
AT_THE_DOOR = 1.0
"""Seconds in which connections that were made but not taken yet must be taken, before the door is closed."""
TEST_GRACE = 1
"""The same in test mode, where requests may hang on purpose."""
KEEP_ALIVE, TEST_KEEP_ALIVE = 5, 75
"""Seconds that an idle connection stays open. In test mode longer: a suite on a busy machine pauses for more than five
seconds between two calls, and would take the connection that was closed meanwhile for a failure."""
DESCRIPTORS = 8192
"""Open files and sockets that a process asks the system for; many systems give 1024 to who does not ask."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on *host* and *port*; port 0 takes a free one. Raises Failure where that cannot be."""
    bound = bind(host, port)
    try:
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise _taken(host, port, error) from None
    return bound


def bind(host: str, port: int) -> socket.socket:
    """The same, not listening yet. The first worker that is ready begins to; a proxy asks another server till then."""
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
    except OSError as error:
        bound.close()
        raise _taken(host, port, error) from None
    bound.set_inheritable(True)
    return bound


def _taken(host: str, port: int, error: OSError) -> Failure:
    return Failure(
        f"port {port} on {host} cannot be used: {error.strerror}", "take another with --port, or stop who has it"
    )


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
        timeout_keep_alive=TEST_KEEP_ALIVE if test_mode else KEEP_ALIVE,
        timeout_worker_healthcheck=HANGS_AFTER,
    )


class _Server(uvicorn.Server):
    """uvicorn's, which ends in good order where it may not listen, stops only when nobody waits at the door, and does
    stop: also where a database, a mail server or a name server is silent.
    """

    def __init__(self, served: uvicorn.Config) -> None:
        super().__init__(served)
        self._last_resort = Timer(STOPS_WITHIN, _leave_at_once)
        self._last_resort.daemon = True

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets)
        finally:
            self._last_resort.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
            if not all(bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for bound in sockets or []):
                raise OSError("somebody else listens there")  # of which uvloop says nothing
        except OSError as error:
            log.error("cannot_listen", why="the port is taken", told=str(error))
            await self.lifespan.shutdown()
            sys.exit(STARTUP_FAILURE)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._last_resort.start()
        for listening in sockets or []:
            backlog.close_to_newcomers(listening)
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_THE_DOOR):
                while any(backlog.waiting(listening) for listening in sockets or []):  # noqa: ASYNC110 - the kernel tells
                    await asyncio.sleep(0.005)
        await super().shutdown(sockets)


def _leave_at_once() -> None:
    """Nothing that decides anything is lost: what is not committed was acknowledged to nobody."""
    log.warning("stopped_at_once", why=f"not done {STOPS_WITHIN} s after being told to stop")
    logging.shutdown()
    os._exit(0)


class _Worker(multiprocess.Process):
    """One process of several, running our server. One that dies while it is asked whether it lives is dead at once; one
    whose supervisor dies stops in good order, for nobody else would ever tell it to, and it would keep the port.
    """

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        Thread(target=_stop_when_orphaned, daemon=True).start()
        super().target(sockets)

    def ping(self, timeout: float = HANGS_AFTER) -> bool:
        try:
            self.parent_conn.send(b"ping")
            said = connection.wait([self.parent_conn, self.process.sentinel], timeout)
            return self.parent_conn in said and self.parent_conn.recv() is not None
        except (OSError, EOFError):
            return False

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = _Server(self.config)
        return self._server


def _stop_when_orphaned() -> None:
    supervisor = parent_process()
    assert supervisor is not None
    supervisor.join()
    log.warning("supervisor_died", next="stopping in good order")
    os.kill(os.getpid(), signal.SIGTERM)


multiprocess.Process = _Worker  # type: ignore[misc] # the supervisor makes its workers by this name alone


class _Supervisor(multiprocess.Multiprocess):
    """uvicorn's, which lets go of the socket before its workers do, and says when none of them could start."""

    @property
    def has_failed(self) -> bool:
        return any(worker.exitcode == STARTUP_FAILURE for worker in self.processes)

    def terminate_all(self) -> None:
        for listening in self.sockets:
            backlog.close_to_newcomers(listening)
            listening.close()  # else who comes now would wait for this process to end
        super().terminate_all()


class _Announcing(_Server):
    """Runs *ready* once the application has started."""

    def __init__(self, served: uvicorn.Config, ready: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(served)
        self._ready = ready
        self.failure: BaseException | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._announcing = asyncio.ensure_future(self._ready())
            self._announcing.add_done_callback(self._announced)

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
            supervisor = _Supervisor(served, [bound])
            supervisor.run()
            if supervisor.has_failed:
                raise Failure("the server did not start", "the log above says why")
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

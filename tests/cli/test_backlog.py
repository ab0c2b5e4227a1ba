"""The queue at a listening socket, against the kernel that keeps it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gatepass.cli import backlog

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can close a queue without losing it")


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(16)
        yield bound


def test_who_stands_in_the_queue_is_counted_until_taken(listening: socket.socket) -> None:
    assert backlog.waiting(listening) == 0
    callers = [socket.create_connection(listening.getsockname()) for _ in range(3)]
    assert backlog.waiting(listening) == 3
    taken = [listening.accept()[0] for _ in callers]
    assert backlog.waiting(listening) == 0
    for end in (*callers, *taken):
        end.close()


def test_a_queue_closed_to_newcomers_keeps_whom_it_has(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()) as early:
        backlog.close_to_newcomers(listening)
        with pytest.raises(TimeoutError):
            socket.create_connection(listening.getsockname(), timeout=0.2)
        early.sendall(b"still here")
        taken, _ = listening.accept()
        with taken:
            assert taken.recv(100) == b"still here"
    assert backlog.waiting(listening) == 0


def test_a_newcomer_is_refused_once_the_socket_is_closed(listening: socket.socket) -> None:
    backlog.close_to_newcomers(listening)
    door = listening.getsockname()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(socket.create_connection, door, 5)
        with pytest.raises(TimeoutError):
            late.result(0.2)
        listening.close()
        with pytest.raises(ConnectionRefusedError):
            late.result()


def test_what_is_no_tcp_socket_has_no_queue() -> None:
    with socket.socket(socket.AF_UNIX) as other:
        assert backlog.waiting(other) == 0
        backlog.close_to_newcomers(other)

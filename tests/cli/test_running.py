"""How uvicorn is run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from gatepass.adapters.http_protocol import BreakableHttpProtocol, HttpProtocol
from gatepass.cli import running


def test_every_server_watches_the_clock_and_only_test_mode_breaks_off() -> None:
    assert running.config("gatepass.main:from_environment", workers=2, factory=True).http is HttpProtocol
    assert running.config("gatepass.main:from_environment", test_mode=True).http is BreakableHttpProtocol


def test_the_workers_of_a_supervisor_run_our_server() -> None:
    """Which hangs on a name in uvicorn's inside."""
    assert running._Supervisor.init_processes.__globals__["Process"] is running._Worker


def test_a_worker_that_dies_while_it_is_asked_is_known_to_be_dead_at_once() -> None:
    worker = running._Worker(running.config("gatepass.main:from_environment", workers=2, factory=True), [])
    worker.start()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(worker.ping, 60)
        worker.process.kill()
        assert asking.result(30) is False
    worker.join()

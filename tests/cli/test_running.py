"""How uvicorn is run."""

from __future__ import annotations

import subprocess
import sys
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


STUCK = """
import asyncio
from gatepass.cli import running

async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.sleep(3600)

async def ready():
    print("ready", flush=True)

running.STOPS_WITHIN = 0.3
running.run(running.config(app), running.listen("127.0.0.1", 0), ready=ready)
"""


def test_a_server_that_cannot_end_in_order_ends_all_the_same() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        server.terminate()
        said, _ = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "stopped_at_once" in said

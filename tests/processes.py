"""Real server processes, on free ports of the loopback interface."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from harness import NO_LIMITS, SECRET
from leaks import WATCH
from postgres import free_port

START_LIMIT = 90.0
"""Seconds until a process must be ready."""
STOP_LIMIT = 10.0
"""Seconds a process has to say goodbye before it is killed."""


@dataclass
class Process:
    """One running server."""

    url: str
    popen: subprocess.Popen[bytes]
    log: Path

    def wait_until_ready(self) -> None:
        """Until /readyz answers 200. Raises AssertionError with the end of its log."""
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end and self.popen.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=1).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{self.url} was not ready in time:\n{self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Ask it to stop; kill it when it does not."""
        self.popen.terminate()
        try:
            self.popen.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@contextmanager
def running(
    count: int,
    database_url: str,
    directory: Path,
    *,
    factory: str = "gatepass.main:from_environment",
    at: Path | None = None,
    **settings: object,
) -> Iterator[list[Process]]:
    """*count* servers on one migrated database, limits off unless *settings* say so; stopped in the end. *factory* makes
    the application, out of a module *at* some directory.

    All go by the address of the first. Mail goes nowhere: nobody listens on port 9, and codes are read from the answers.
    """
    ports = [free_port() for _ in range(count)]
    given = {
        "secret_key": SECRET,
        "database_url": database_url,
        "public_url": f"http://127.0.0.1:{ports[0]}",
        "smtp_url": "smtp://127.0.0.1:9",
        "expose_user_code": True,
        **NO_LIMITS,
        **settings,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEPASS_")}
    environment |= {f"GATEPASS_{name.upper()}": str(value) for name, value in given.items()}
    with ExitStack() as stack:
        processes = []
        for number, port in enumerate(ports):
            process = _start(directory, directory / f"server-{number}.log", port, environment, factory, at)
            stack.enter_context(WATCH.reading(process.log))
            stack.callback(process.stop)
            processes.append(process)
        for process in processes:
            process.wait_until_ready()
        yield processes


def _start(
    directory: Path, log: Path, port: int, environment: dict[str, str], factory: str, at: Path | None
) -> Process:
    arguments = ["--factory", factory, "--port", str(port), "--no-access-log"]
    arguments += ["--app-dir", str(at)] if at else []
    arguments += ["--timeout-keep-alive", "75"]  # a busy machine pauses for more than the default 5 s between two calls
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Process(f"http://127.0.0.1:{port}", popen, log)

"""The installed `gatepass` command, run as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaks import WATCH

GATEPASS = Path(sys.executable).parent / "gatepass"
PATIENCE = 60
"""Seconds to wait for a process; far more than it takes, for busy machines."""


def run(*arguments: str, cwd: Path, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `gatepass *arguments*` in *cwd*, with nothing in the environment but *settings*."""
    return subprocess.run(
        [GATEPASS, *arguments],
        cwd=cwd,
        env=environment(settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def environment(settings: dict[str, str]) -> dict[str, str]:
    """This process's environment with *settings* as the only ones of ours."""
    ours = {f"GATEPASS_{name.upper()}": value for name, value in settings.items()}
    return {**{name: value for name, value in os.environ.items() if not name.startswith("GATEPASS_")}, **ours}


@dataclass
class Running:
    """A server process, ready. *facts* is what its ready file says; *log* is what it wrote so far."""

    process: subprocess.Popen[bytes]
    facts: dict[str, Any]
    out: Path
    err: Path

    @property
    def url(self) -> str:
        url: str = self.facts["url"]
        return url

    @property
    def log(self) -> str:
        return self.err.read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def dev(cwd: Path, *arguments: str, **settings: str) -> Iterator[Running]:
    """`gatepass dev` on a free port, from when it is ready until the block ends."""
    ready = cwd / "ready.json"
    ready.unlink(missing_ok=True)
    command = ("dev", "--port", "0", "--ready-file", str(ready), *arguments)
    with _process(cwd, command, settings) as running:
        until(ready.exists, running)
        running.facts = json.loads(ready.read_text())
        yield running


@contextmanager
def serve(cwd: Path, port: int, *arguments: str, **settings: str) -> Iterator[Running]:
    """`gatepass serve` on *port*, from when it accepts connections until the block ends."""
    import socket

    def accepts() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with _process(cwd, ("serve", "--port", str(port), *arguments), settings) as running:
        running.facts = {"url": f"http://127.0.0.1:{port}"}
        until(accepts, running)
        yield running


@contextmanager
def _process(cwd: Path, command: tuple[str, ...], settings: dict[str, str]) -> Iterator[Running]:
    out, err = cwd / "out.txt", cwd / "err.txt"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [GATEPASS, *command], cwd=cwd, env=environment(settings), stdout=stdout, stderr=stderr
        )
    with WATCH.reading(err):
        try:
            yield Running(process, {}, out, err)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def until(reached: Any, running: Running) -> None:
    """Wait until *reached()*; fails with the process's log when it ends first or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert running.process.poll() is None, running.log
        assert time.monotonic() < deadline, running.log
        time.sleep(0.02)

"""A Gatepass server for tests: a process of its own on a free port, or one that runs already."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from gatepass.testing.control_plane import ControlPlane
from gatepass.testing.world import World

START_LIMIT = 90.0
"""Seconds until a server must answer; far more than it takes, for busy machines."""
STOP_LIMIT = 10.0
"""Seconds it has to stop before it is killed."""
_LOOK_AGAIN = 0.02
"""Seconds."""


class CannotStart(RuntimeError):
    """No server came up; the text ends with its log."""


class Server:
    """A server in test mode. *facts* is what its ready file says, of a borrowed server URL and admin token only."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.url: str = facts["url"].rstrip("/")
        self.admin_token: str = facts["admin_token"]
        self._plane = ControlPlane(self.url, self.admin_token)

    @contextmanager
    def world(self, *, name: str | None = None, seed: str | int | None = None) -> Iterator[World]:
        """A fresh world, dropped afterwards. With a *seed* its ids, codes and keys are the same on every run."""
        wanted = {"name": name, "seed": seed}
        body = {member: value for member, value in wanted.items() if value is not None}
        made = self._plane.call("POST", "/_test/worlds", body)
        try:
            yield World(self._plane, self.url, made)
        finally:
            self._plane.call("DELETE", f"/_test/worlds/{made['team_id']}")

    @property
    def unmatched(self) -> list[dict[str, Any]]:
        """The calls that no route took or that came from no world, with the routes they may have meant (`near`)."""
        told: list[dict[str, Any]] = self._plane.call("GET", "/_test/requests/unmatched")
        return told

    def close(self) -> None:
        """Close the connections to it."""
        self._plane.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@contextmanager
def started(*, log: Path | None = None, **settings: str) -> Iterator[Server]:
    """A fresh `gatepass dev --memory`, from when it answers until the block ends.

    It runs in an empty directory and a process group of its own: it reads nobody's `.env`, shadows nobody's modules, and a
    Ctrl-C at the terminal does not take it away from under the tests. *settings* are the server's own, such as
    `code_ttl="60"`. Its log goes to *log*, else it is kept until the end, for CannotStart.
    """
    with TemporaryDirectory(prefix="gatepass-test-", ignore_cleanup_errors=True) as made:
        directory = Path(made)
        written = log or directory / "log"
        with written.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "gatepass", *_dev(directory)],
                cwd=directory,
                env={**os.environ, **{f"GATEPASS_{name.upper()}": value for name, value in settings.items()}},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            with Server(_facts(process, directory / READY, written)) as server:
                yield server
        finally:
            _stop(process)


READY = "ready.json"


def _dev(directory: Path) -> list[str]:
    return ["dev", "--memory", "--port", "0", "--ready-file", str(directory / READY)]


def _facts(process: subprocess.Popen[bytes], ready: Path, log: Path) -> dict[str, Any]:
    """What the server says once it answers. Raises CannotStart."""
    deadline = time.monotonic() + START_LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        if ready.exists():  # whole, for it is renamed into place
            facts: dict[str, Any] = json.loads(ready.read_text())
            return facts
        time.sleep(_LOOK_AGAIN)
    said = log.read_text(errors="replace").strip()[-2000:]
    raise CannotStart(f"the Gatepass server did not start:\n{said or '(its log is empty)'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""`gatepass exec`: a command beside a fresh server that is gone when the command ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from gatepass.cli.output import Failure, examples

EXAMPLES = examples("gatepass exec -- pytest", "gatepass exec -- sh -c 'curl -s $GATEPASS_URL/readyz'")
NOT_FOUND, NOT_EXECUTABLE, KILLED = 127, 126, 128
"""Exit codes, as shells give them; a command that signal 9 ended exits with 128 + 9."""
PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)


def exec_(
    command: Annotated[list[str], typer.Argument(help="What to run, with its arguments.", metavar="CMD...")],
    log: Annotated[Path | None, typer.Option("--log", help="Where the server's log goes. Default: nowhere")] = None,
) -> None:
    """Run CMD beside a fresh server of its own, and exit as it does.

    The server is in memory, on a free port of this host. CMD finds it through GATEPASS_URL, GATEPASS_TEAM_ID,
    GATEPASS_TEAM_API_KEY (secret), GATEPASS_PUBLISHABLE_KEY and GATEPASS_ADMIN_TOKEN.
    """
    if shutil.which(command[0]) is None:
        raise _unusable(command[0])
    from gatepass.cli.facts import variables
    from gatepass.testing import CannotStart, started

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED + signal.SIGTERM))  # while there is no command yet
    try:
        with started(log=log) as server:
            raise typer.Exit(_run(command, {**os.environ, **variables(server.facts)}))
    except CannotStart as error:
        raise Failure(str(error), "gatepass dev --memory shows what is wrong") from None


def _unusable(name: str) -> Failure:
    if Path(name).is_file():
        return Failure(f"{name} is no program", f"chmod +x {name}, or name what runs it", code=NOT_EXECUTABLE)
    return Failure(f"there is no command {name}", "look at its spelling and at PATH", code=NOT_FOUND)


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run it to its end; the exit code."""
    try:
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - what the user asked for
    except OSError:
        raise _unusable(command[0]) from None
    with _passing_signals_on(process):
        code = process.wait()
    return code if code >= 0 else KILLED - code


@contextmanager
def _passing_signals_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let the command decide what a signal to us means. Ctrl-C at the terminal reaches it anyhow, once is enough."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number not in FROM_TERMINAL or not _in_foreground():
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_foreground() -> bool:
    """Whether a terminal sends its signals to us and to what we started."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False

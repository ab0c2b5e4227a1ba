"""`gatepass check-client`: does this mobile client survive what happens to mobile clients?"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepass.cli.options import AsJson
from gatepass.cli.output import Failure, examples, note, show

if TYPE_CHECKING:
    from gatepass.cli.checking.line import Line
    from gatepass.cli.checking.stage import Server
    from gatepass.cli.checking.verdicts import Verdict

EXAMPLES = examples(
    "gatepass check-client -- python examples/check-client/reference_client.py",
    "gatepass check-client --dialect junction --junit report.xml -- ./build/driver",
    "gatepass check-client --connect --lan",
)
KILLED = 128
"""Plus the signal's number: the exit code of what a signal ended, as shells give it."""
GOODBYE = 10.0
"""Seconds for a client that connects to hear how it did."""


class Dialect(StrEnum):
    """What the client speaks."""

    ELIXIR = "elixir"
    JUNCTION = "junction"


def check_client(
    command: Annotated[
        list[str] | None, typer.Argument(help="What starts the client's driver, after --.", metavar="CMD ...")
    ] = None,
    dialect: Annotated[Dialect, typer.Option(help="What the client speaks.")] = Dialect.ELIXIR,
    junit: Annotated[Path | None, typer.Option(help="Write the results there, as JUnit XML.", metavar="FILE")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="How many scenarios to play at once.")] = 1,
    connect: Annotated[
        bool, typer.Option("--connect", help="Start no command: wait for a client that fetches its steps by HTTP.")
    ] = False,
    lan: Annotated[bool, typer.Option("--lan", help="The same for a device on this host's private network.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where steps are fetched; 0 takes a free one.")] = 8010,
    timeout: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds for a client that connects to do a step.", metavar="SECONDS")
    ] = 120,
    as_json: AsJson = False,
) -> None:
    """Play mishaps to a mobile client and judge it by its calls. Exits with 0 for full marks, 1 otherwise.

    The client takes commands on stdin, one JSON object per line, or fetches them by HTTP (--connect):
    docs/check-client.md.
    """
    _refuse_contradictions(command, connect=connect, lan=lan, jobs=jobs)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(KILLED + signal.SIGTERM))  # the server goes with us
    from functools import partial

    from gatepass.cli.checking import reports, run
    from gatepass.cli.checking.line import Line

    def tell(verdicts: list[Verdict]) -> None:
        note("\n".join(map(reports.line, verdicts)))

    with run.server(lan=lan) as stage:
        if command:
            verdicts = run.check(stage, dialect.value, partial(run.driven, command), jobs=jobs, note=tell)
        else:
            line = Line(timeout, tell=_say)
            with _contact(line, stage, port, lan=lan):
                verdicts = run.check(stage, dialect.value, partial(run.connected, line), note=tell)
                line.say_goodbye(passed=all(verdict.passed for verdict in verdicts), patience=GOODBYE)
    if junit is not None:
        junit.write_bytes(reports.junit(dialect.value, verdicts))
    show(as_json, reports.document(dialect.value, verdicts), lambda: reports.summary(verdicts))
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(1)


def _refuse_contradictions(command: list[str] | None, *, connect: bool, lan: bool, jobs: int) -> None:
    """Raise Failure where the options make no sense together."""
    if bool(command) == connect:
        raise Failure(
            "a client is either started by a command or connects by itself",
            "give the command of your driver after --, or else --connect",
            code=2,
        )
    if lan and not connect:
        raise Failure("--lan is for a client that connects by itself", "add --connect", code=2)
    if connect and jobs > 1:
        raise Failure("a client that connects is one device", "leave --jobs out", code=2)


@contextmanager
def _contact(line: Line, stage: Server, port: int, *, lan: bool) -> Iterator[None]:
    """From when a client has asked for its first step. Raises Failure where none does."""
    from gatepass.cli import nearby
    from gatepass.cli.checking.meeting_point import listening

    with listening(line, stage.url, port) as url:
        note(f"Waiting {line.patience:g} s for a client to fetch its first step:\n\n  curl '{url}/next?run=1'\n")
        note(f"For an app without a hook for that, open {url} in a browser and be its hands.")
        if lan:
            note(nearby.guidance(url))
        if not line.await_contact():
            raise Failure(
                f"no client asked for a step at {url} within {line.patience:g} s",
                "see that the app is built with that URL and reaches it, or give it longer with --timeout",
            )
        yield


def _say(step: dict[str, Any]) -> None:
    """A step for those who watch the terminal, without what only the app needs."""
    from gatepass.cli.checking.steps import told

    note(f"      step {step['step']}: {told(step)}")

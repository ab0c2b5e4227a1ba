"""`gatepass check-client`: does this mobile client survive what happens to mobile clients?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatepass.cli.options import AsJson
from gatepass.cli.output import examples, note, show

if TYPE_CHECKING:
    from gatepass.cli.checking.verdicts import Verdict

EXAMPLES = examples(
    "gatepass check-client -- python examples/check-client/reference_client.py",
    "gatepass check-client --dialect junction --junit report.xml -- ./build/driver",
)


class Dialect(StrEnum):
    """What the client speaks."""

    ELIXIR = "elixir"
    JUNCTION = "junction"


def check_client(
    command: Annotated[list[str], typer.Argument(help="What starts the client's driver, after --.", metavar="CMD ...")],
    dialect: Annotated[Dialect, typer.Option(help="What the client speaks.")] = Dialect.ELIXIR,
    junit: Annotated[Path | None, typer.Option(help="Write the results there, as JUnit XML.", metavar="FILE")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="How many scenarios to play at once.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Play mishaps to a mobile client and judge it by its calls. Exits with 0 for full marks, 1 otherwise.

    The client takes commands on stdin, one JSON object per line: docs/check-client.md.
    """
    from gatepass.cli.checking import reports, run

    def tell(verdicts: list[Verdict]) -> None:
        note("\n".join(map(reports.line, verdicts)))

    with run.server() as stage:
        verdicts = run.check(stage, dialect.value, command, jobs=jobs, note=tell)
    if junit is not None:
        junit.write_bytes(reports.junit(dialect.value, verdicts))
    show(as_json, reports.document(dialect.value, verdicts), lambda: reports.summary(verdicts))
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(1)

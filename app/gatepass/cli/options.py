"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatepass.cli.output import Failure

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Work on the data that `gatepass dev` keeps there.", metavar="PATH")
]
TeamId = Annotated[
    str | None, typer.Option("--team", help="The team's id; may be left out where there is one team.", metavar="ID")
]
UserName = Annotated[str, typer.Argument(help="The user's id or e-mail address.", metavar="USER")]


_UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration(text: str) -> int:
    """The ms in `90m`, `12h` or `30d`. Raises Failure."""
    count, unit = text[:-1], text[-1:]
    if not (count.isascii() and count.isdigit() and len(count) <= 5 and unit in _UNITS):
        raise Failure("that is no length of time", "write it like 90m, 12h or 30d", code=2)
    return int(count) * _UNITS[unit]

"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Work on the data that `gatepass dev` keeps there.", metavar="PATH")
]
TeamId = Annotated[
    str | None, typer.Option("--team", help="The team's id; may be left out where there is one team.", metavar="ID")
]
UserName = Annotated[str, typer.Argument(help="The user's id or e-mail address.", metavar="USER")]

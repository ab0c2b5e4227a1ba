"""How commands speak: data on stdout, everything else on stderr, and on failure what to do next."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import typer


class Failure(Exception):
    """A command that could not do its work: what happened, and what to do *next*."""

    def __init__(self, said: str, next_step: str, *, code: int = 1) -> None:
        super().__init__(said)
        self.said = said
        self.next_step = next_step
        self.code = code

    def show(self, *, as_json: bool) -> int:
        """Say it on stderr, with *as_json* also as the one document on stdout; the exit code."""
        print(f"error: {self.said}\nnext: {self.next_step}", file=sys.stderr)
        if as_json:
            print(json.dumps({"error": self.said, "next": self.next_step}))
        return self.code


def show(as_json: bool, document: Any, say: Callable[[], str]) -> None:
    """Print *document* as JSON, or what *say* makes of it for people."""
    print(json.dumps(document) if as_json else say())


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> str:
    """Columns, aligned; *empty* where there are no rows."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return empty
    widths = [max(len(row[column]) for row in (list(heads), *cells)) for column in range(len(heads))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *cells))
    return "\n".join(line.rstrip() for line in lines)


def pairs(values: dict[str, object]) -> str:
    """One `name  value` per line, aligned."""
    width = max(len(name) for name in values)
    return "\n".join(f"{name.ljust(width)}  {_cell(value)}".rstrip() for name, value in values.items())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text if text.isprintable() else ascii(text)


def instant(ms: int | None) -> str | None:
    """Epoch ms as people read them: `2026-09-21 14:13:20Z`."""
    return None if ms is None else f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%SZ}"


def note(text: str) -> None:
    """Say something beside the data, on stderr."""
    print(text, file=sys.stderr)


def examples(*lines: str) -> str:
    """The end of a `--help`."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def group(name: str, help_text: str, *lines: str) -> typer.Typer:
    """A family of commands; without one of them it shows its help."""
    app = typer.Typer(name=name, rich_markup_mode=None)

    @app.callback(invoke_without_command=True, help=help_text, epilog=examples(*lines))
    def show_help(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            print(context.get_help())

    return app

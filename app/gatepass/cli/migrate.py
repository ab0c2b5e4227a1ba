"""`gatepass migrate`: the database's schema."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepass.cli.options import AsJson, DataDir
from gatepass.cli.output import Failure, examples, group, show

if TYPE_CHECKING:
    from gatepass.adapters.database import Database

app = group("migrate", "Bring the database's schema to this version, or back.", "gatepass migrate up")


@app.command(epilog=examples("gatepass migrate up"))
def up(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Bring the schema to this version. Does nothing where it is there already; run it before each new version."""
    from gatepass.adapters import migrations

    _report(_on_database(migrations.up, data_dir), as_json)


@app.command(epilog=examples("gatepass migrate down", "gatepass migrate down base --yes"))
def down(
    revision: Annotated[
        str, typer.Argument(help="Where to go back to; -1 is one step, base is an empty database.")
    ] = "-1",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Take the schema back. Tables and columns that go take their data with them."""
    from gatepass.adapters import migrations

    if not yes and sys.stdin.isatty():
        typer.confirm(f"Going back to {revision} deletes data for good. Go on?", abort=True, err=True)
    _report(_on_database(lambda database: migrations.down(database, revision), data_dir), as_json)


@app.command(epilog=examples("gatepass migrate status --json"))
def status(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Where the schema stands."""

    async def nothing(_: Database) -> None:
        return

    _report(_on_database(nothing, data_dir), as_json)


def _on_database(move: Callable[[Database], Awaitable[None]], data_dir: Path | None) -> dict[str, Any]:
    """Do *move*, then tell where the schema stands."""
    import asyncio
    import logging

    from alembic.util.exc import CommandError

    from gatepass.adapters import logs, migrations
    from gatepass.adapters.database import Database
    from gatepass.cli.deployment import settings_of

    settings = settings_of(data_dir)
    logs.configure(settings.log_format, level=logging.WARNING)

    async def run() -> dict[str, Any]:
        database = Database(settings.database_url.get_secret_value())
        try:
            await move(database)
            async with database.engine.connect() as db:
                current = await migrations.current(db)
        finally:
            await database.dispose()
        return {"current": current, "head": migrations.head(), "up_to_date": current == migrations.head()}

    try:
        return asyncio.run(run())
    except CommandError:
        raise Failure("there is no such revision", "gatepass migrate status shows the current one", code=2) from None


def _report(state: dict[str, Any], as_json: bool) -> None:
    def words() -> str:
        at = state["current"] or "empty"
        return f"{at}: up to date" if state["up_to_date"] else f"{at}, wanted {state['head']}; run: gatepass migrate up"

    show(as_json, state, words)

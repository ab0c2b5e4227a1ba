"""`gatepass serve`: the server for production, as the environment describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gatepass.cli.output import Failure, examples, note

if TYPE_CHECKING:
    from gatepass.settings import Settings

EXAMPLES = examples("gatepass serve --host 0.0.0.0 --workers 4")


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes.")] = 1,
) -> None:
    """Start the server, configured by GATEPASS_ variables and .env.

    Refuses to start with settings that are unfit for production, or on a database of another version.
    """
    import asyncio
    import os
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    from gatepass.adapters import logs
    from gatepass.cli import running
    from gatepass.main import unfit
    from gatepass.settings import environment, load, misspelt

    settings = load()
    if reasons := unfit(settings):
        raise Failure("; ".join(reasons), "correct the environment or .env, then start again", code=2)
    for variable in misspelt(environment()):
        note(f"warning: {variable} is no setting of Gatepass and does nothing")
    logs.configure(settings.log_format)
    asyncio.run(_check_schema(settings))
    bound = running.bind(host, port)
    with ExitStack() as resources:
        if workers > 1 and settings.metrics_dir is None:
            shared = resources.enter_context(TemporaryDirectory(prefix="gatepass-metrics-"))
            os.environ["GATEPASS_METRICS_DIR"] = shared  # where the workers look
        print(f"Gatepass serves on http://{host}:{bound.getsockname()[1]} for {settings.public_url}", flush=True)
        running.run(running.config("gatepass.main:from_environment", workers=workers, factory=True), bound)


async def _check_schema(settings: Settings) -> None:
    """A newer schema is served too: while versions change, processes of the earlier one go on and may start anew."""
    from gatepass.adapters import migrations
    from gatepass.wiring import Runtime

    runtime = Runtime(settings)
    try:
        current = await runtime.read(lambda unit: migrations.current(unit.db))
        is_behind = await runtime.read(lambda unit: migrations.is_behind(unit.db))
    finally:
        await runtime.close()
    if is_behind:
        state = (
            "the database is empty" if current is None else f"the database schema is at {current}, not at this build's"
        )
        raise Failure(state, "run: gatepass migrate up", code=2)
    if current != migrations.head():
        note(f"warning: a newer version migrated the database, to {current}; bring this one up to it")

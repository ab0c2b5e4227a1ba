"""`gatepass dev`: a server for development, with nothing configured."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatepass import __version__
from gatepass.cli.options import AsJson
from gatepass.cli.output import Failure, examples, note

if TYPE_CHECKING:
    from gatepass.cli.dev_data import DevData

EXAMPLES = examples(
    "gatepass dev", "gatepass dev --lan", "gatepass dev --port 0 --memory --ready-file /tmp/gatepass.json"
)


def dev(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Where data stays between starts. Default: .gatepass")
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Keep nothing: all data goes when the server stops.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the data of earlier starts first.")] = False,
    lan: Annotated[
        bool, typer.Option("--lan", help="Let devices on this host's private network in, and no others.")
    ] = False,
    container: Annotated[
        bool, typer.Option("--container", help="Listen on every address of a container, for its neighbours.")
    ] = False,
    chaos: Annotated[
        bool, typer.Option("--chaos", help="Lose a few per cent of the answers, after the commit.")
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option("--ready-file", help="Write URL and keys there, as JSON, once the server answers.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a development server: no configuration, one team with keys, codes shown, this host only."""
    if memory and data_dir is not None:
        raise Failure("--memory keeps no data and --data-dir keeps it", "give one of the two", code=2)
    if lan and container:
        raise Failure("--lan is for devices and --container for containers", "give one of the two", code=2)
    from gatepass.cli import running

    running.stop_politely()
    bound = running.listen(_host(lan=lan, container=container), port)
    with _directory(data_dir, memory=memory) as directory:
        from gatepass.cli.dev_data import held

        with held(directory, fresh=fresh):
            _serve(
                directory,
                bound,
                ready_file,
                kept=not memory,
                as_json=as_json,
                lan=lan,
                container=container,
                chaos=chaos,
            )


def _host(*, lan: bool, container: bool) -> str:
    """The one address to listen on. Test mode is never for strangers. Raises Failure."""
    from gatepass.cli import nearby
    from gatepass.settings import environment

    if lan:
        return nearby.lan_address(nearby.own_addresses())
    if container:
        nearby.refuse_far(environment().get("GATEPASS_PUBLIC_URL", "http://127.0.0.1"))
        return "0.0.0.0"  # noqa: S104 - a container's own addresses, which only its neighbours reach
    return "127.0.0.1"


def _serve(
    directory: Path,
    bound: socket.socket,
    ready_file: Path | None,
    *,
    kept: bool,
    as_json: bool,
    lan: bool,
    container: bool,
    chaos: bool,
) -> None:
    import asyncio
    import logging

    from gatepass.adapters import logs
    from gatepass.cli import nearby, running
    from gatepass.cli.dev_data import DevData
    from gatepass.cli.facts import RUNNING
    from gatepass.cli.files import write_private
    from gatepass.cli.loopback import OwnNamesOnly
    from gatepass.core.mint import Mint
    from gatepass.main import create_app
    from gatepass.surfaces import testing

    (directory / RUNNING).unlink(missing_ok=True)
    data = DevData.load_or_make(directory, Mint())
    url = running.url(bound)
    settings = data.settings(url)
    logs.configure(settings.log_format)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    door = asyncio.run(_prepare(data))
    server = create_app(settings)
    if chaos:
        server.state.traffic.order_everywhere(testing.CHAOS)
    app = logs.AccessLog(
        OwnNamesOnly(server, url, settings.public_url, neighbours=container),
        answered=server.state.runtime.metrics.answered,
    )
    ready = {
        "url": settings.public_url if container else url,
        "pid": os.getpid(),
        "team_id": data.team_id,
        "secret_key": data.secret_key,
        "publishable_key": data.publishable_key,
        "production_publishable_key": data.production_publishable_key,
        "admin_token": data.admin_token,
        "test_mode": True,
    }

    async def announce() -> None:
        if not await running.answers(bound):
            raise Failure("the server started and is not ready", f"gatepass dev --fresh, or look into {directory}")
        for path in filter(None, (directory / RUNNING, ready_file)):
            write_private(path, json.dumps(ready) + "\n")
        console = f"{ready['url']}{door or '/console'}"
        print(json.dumps(ready) if as_json else _welcome(ready, console, directory if kept else None), flush=True)
        if lan and not as_json:
            print(nearby.guidance(url), flush=True)
        if chaos:
            note(f"CHAOS: {testing.CHAOS.probability:.0%} of all answers are lost after their commit. That is --chaos.")

    running.run(running.config(app, test_mode=True), bound, ready=announce)


async def _prepare(data: DevData) -> str | None:
    """Bring the database to this build's schema, with the team and its keys in it.

    The path of a one-time link that makes the console's first operator; None where there is one.
    """
    from gatepass.adapters import migrations
    from gatepass.core import operators
    from gatepass.wiring import Runtime

    runtime = Runtime(data.settings())
    try:
        if not await runtime.read(lambda unit: migrations.is_current(unit.db)):
            await migrations.up(runtime.database)
        await runtime.transact(data.seed)
        link = await runtime.transact(operators.first_link)
        return link.path if link is not None else None
    finally:
        await runtime.close()


@contextmanager
def _directory(given: Path | None, *, memory: bool) -> Iterator[Path]:
    """Where the data goes; with *memory* a private directory, in memory where the system has one, gone afterwards."""
    from gatepass.cli.dev_data import DEFAULT

    if not memory:
        yield given or DEFAULT
        return
    from tempfile import TemporaryDirectory

    shared = Path("/dev/shm")  # noqa: S108 (the directory made in it is private, 0700)
    usable = shared.is_dir() and os.access(shared, os.W_OK)
    with TemporaryDirectory(prefix="gatepass-", dir=shared if usable else None, ignore_cleanup_errors=True) as made:
        yield Path(made)


def _welcome(ready: dict[str, object], console: str, directory: Path | None) -> str:
    """The first thing a developer sees: where everything is, and a first sign-in to paste."""
    url, key = ready["url"], ready["publishable_key"]
    headers = f"-H 'x-api-key: {key}' -H 'content-type: application/json'"
    kept = f"{directory} (kept between starts; --fresh starts over)" if directory else "in memory, gone when this stops"
    return f"""
Gatepass {__version__} is ready on {url}

  team                       {ready["team_id"]} (local, eu)
  secret key                 {ready["secret_key"]}
  publishable, development   {key}
  publishable, production    {ready["production_publishable_key"]}
  admin token                {ready["admin_token"]}
  console                    {console}
  data                       {kept}

Sign in: ask for a code,

  curl -s {url}/sdk/auth/v2/signin/otp-login {headers} -d '{{"email":"ada@example.com"}}'

then trade its transactionId and userCode (also printed below) for a session:

  curl -s {url}/sdk/auth/v2/signin/otp-verify {headers} -d '{{"transactionId":"...","code":"..."}}'

Ctrl-C stops the server. Its log follows.
"""

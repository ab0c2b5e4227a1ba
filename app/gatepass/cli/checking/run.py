"""Plays the scenarios to a client, each in a world and a store of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx

from gatepass.cli.checking.client import Client, Unanswered
from gatepass.cli.checking.driver import Driver, stripped
from gatepass.cli.checking.line import Connected, Line
from gatepass.cli.checking.scenarios import SCENARIOS, Play, Scenario
from gatepass.cli.checking.stage import Server, World
from gatepass.cli.checking.verdicts import Behaviour, Verdict
from gatepass.cli.dev_data import DevData
from gatepass.cli.output import Failure
from gatepass.core.server_secret import ServerSecret

START_LIMIT = 60.0
"""Seconds."""
HIDDEN = "[redacted]"

Open = Callable[[str, World], AbstractContextManager[Client]]
"""Hands out a client, as freshly installed, for the scenario of that name in that world. Raises Unanswered."""


@contextmanager
def server(*, lan: bool = False) -> Iterator[Server]:
    """A server in test mode, for this host alone or for *lan*: a process of its own, without outer settings.

    Raises Failure where it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="gatepass-check-", ignore_cleanup_errors=True) as made:
        directory, ready, log = Path(made) / "data", Path(made) / "ready.json", Path(made) / "log"
        words = [sys.executable, "-m", "gatepass", "dev", "--port", "0"]
        words += ["--data-dir", str(directory), "--ready-file", str(ready), *["--lan"] * lan]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command
                words, cwd=made, env=stripped(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            end = time.monotonic() + START_LIMIT
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise Failure("the server did not start", f"it said: {log.read_text()[-500:]}", code=2)
                time.sleep(0.05)
            facts = json.loads(ready.read_text())
            headers = {"authorization": f"Bearer {facts['admin_token']}"}
            with httpx.Client(base_url=facts["url"], headers=headers, timeout=60) as http:
                yield Server(http, ServerSecret(DevData.load(directory).server_secret))
        finally:
            process.terminate()
            process.wait()


@contextmanager
def driven(words: Sequence[str], name: str, world: World) -> Iterator[Client]:
    """The client that *words* start, over an empty store. Raises Failure where they start nothing."""
    with tempfile.TemporaryDirectory(prefix="gatepass-store-") as store:
        variables = {
            "GATEPASS_URL": world.server.url,
            "GATEPASS_PUBLISHABLE_KEY": world.publishable_key,
            "GATEPASS_DIALECT": world.dialect,
            "GATEPASS_SCENARIO": name,
            "GATEPASS_STORE": store,
        }
        try:
            client = Driver(words, variables)
        except Unanswered as error:
            raise Failure(str(error), "give the command of your driver after --", code=2) from None
        try:
            yield client
        finally:
            client.close()


@contextmanager
def connected(line: Line, name: str, world: World) -> Iterator[Client]:
    """The client on the *line*, which is one device for all scenarios. Raises Unanswered."""
    about = {"scenario": name, "dialect": world.dialect, "publishable_key": world.publishable_key}
    yield Connected(line, about)


def check(
    stage: Server, dialect: str, open_client: Open, *, jobs: int = 1, note: Callable[[list[Verdict]], None]
) -> list[Verdict]:
    """Every verdict on the client; *note* hears those of each scenario when it is over."""

    def play(scenario: Scenario) -> list[Verdict]:
        verdicts = perform(World(stage, dialect), open_client, scenario)
        note(verdicts)
        return verdicts

    pool = ThreadPoolExecutor(jobs)
    try:
        return [verdict for verdicts in pool.map(play, SCENARIOS[dialect]) for verdict in verdicts]
    finally:  # where we are stopped: without the server no scenario goes on for long
        pool.shutdown(wait=False, cancel_futures=True)


def perform(world: World, open_client: Open, scenario: Scenario) -> list[Verdict]:
    """Play one scenario; what came of it. Raises as *open_client*, but for Unanswered."""
    name = scenario.__name__
    verdicts: list[Verdict] = []
    client: Client | None = None
    try:
        with open_client(name, world) as client:
            scenario(Play(name, world, client, verdicts))
    except Unanswered as error:
        verdicts.append(Verdict.of(name, Behaviour.ANSWERS, False, str(error)))
    in_url = [call["path"] for call in world.calls() if HIDDEN in json.dumps(call["query"])]
    seen = f"in the query of {', '.join(sorted(set(in_url)))}"
    verdicts.append(Verdict.of(name, Behaviour.NO_TOKEN_IN_URL, not in_url, seen))
    lines = client.shows_tokens() if client is not None else None
    if lines is not None:
        seen = f"{lines} lines of its output show a token"
        verdicts.append(Verdict.of(name, Behaviour.NO_TOKEN_IN_LOG, not lines, seen))
    world.drop()
    return verdicts

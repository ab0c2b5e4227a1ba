"""Plays the scenarios to a client, each in a world and a store of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from gatepass.cli.checking.driver import Client, Unanswered, stripped
from gatepass.cli.checking.scenarios import SCENARIOS, Play, Scenario
from gatepass.cli.checking.stage import Server, World
from gatepass.cli.checking.verdicts import Behaviour, Verdict, holds_token
from gatepass.cli.dev_data import DevData
from gatepass.cli.output import Failure
from gatepass.core.server_secret import ServerSecret

START_LIMIT = 60.0
"""Seconds."""
HIDDEN = "[redacted]"


@contextmanager
def server() -> Iterator[Server]:
    """A server in test mode: a process of its own, without outer settings. Raises Failure where it does not start."""
    with tempfile.TemporaryDirectory(prefix="gatepass-check-", ignore_cleanup_errors=True) as made:
        directory, ready, log = Path(made) / "data", Path(made) / "ready.json", Path(made) / "log"
        words = [sys.executable, "-m", "gatepass", "dev", "--port", "0"]
        words += ["--data-dir", str(directory), "--ready-file", str(ready)]
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


def check(
    stage: Server, dialect: str, words: Sequence[str], *, jobs: int, note: Callable[[list[Verdict]], None]
) -> list[Verdict]:
    """Every verdict on the client that *words* start; *note* hears those of each scenario when it is over."""

    def play(scenario: Scenario) -> list[Verdict]:
        verdicts = perform(stage, dialect, words, scenario)
        note(verdicts)
        return verdicts

    with ThreadPoolExecutor(jobs) as pool:
        return [verdict for verdicts in pool.map(play, SCENARIOS[dialect]) for verdict in verdicts]


def perform(stage: Server, dialect: str, words: Sequence[str], scenario: Scenario) -> list[Verdict]:
    """Play one scenario; what came of it. Raises Failure where the client cannot be started."""
    name = scenario.__name__
    with tempfile.TemporaryDirectory(prefix="gatepass-store-") as store:
        world = World(stage, dialect)
        variables = {
            "GATEPASS_URL": stage.url,
            "GATEPASS_PUBLISHABLE_KEY": world.publishable_key,
            "GATEPASS_DIALECT": dialect,
            "GATEPASS_SCENARIO": name,
            "GATEPASS_STORE": store,
        }
        try:
            client = Client(words, variables)
        except Unanswered as error:
            raise Failure(str(error), "give the command of your driver after --", code=2) from None
        play = Play(name, world, client)
        try:
            scenario(play)
        except Unanswered as error:
            play.judge(Behaviour.ANSWERS, False, str(error))
        finally:
            client.kill()
        in_url = [call["path"] for call in world.calls() if HIDDEN in json.dumps(call["query"])]
        play.judge(Behaviour.NO_TOKEN_IN_URL, not in_url, f"in the query of {', '.join(sorted(set(in_url)))}")
        lines = sum(map(holds_token, client.said))
        play.judge(Behaviour.NO_TOKEN_IN_LOG, not lines, f"{lines} lines of its output show a token")
        world.drop()
        return play.verdicts

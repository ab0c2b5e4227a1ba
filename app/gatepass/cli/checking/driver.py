"""A client that a command starts: it takes commands on stdin and answers on stdout, one JSON object per line."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from gatepass.cli.checking.client import Unanswered
from gatepass.cli.checking.verdicts import holds_token

PATIENCE = 60.0
"""Seconds for an answer: longer than a client that waits as the server asks."""


def stripped() -> dict[str, str]:
    """The environment without what is meant for a Gatepass of one's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEPASS_")}


class Driver:
    """One run of the command *words*; a restart is another run over the same store.

    What it writes besides answers is its log, and is searched for tokens, answers too.
    """

    def __init__(self, words: Sequence[str], variables: Mapping[str, str]) -> None:
        self._words = list(words)
        self._environment = {**stripped(), **variables}
        self._said: list[str] = []
        self._start()

    def _start(self) -> None:
        """Run the command. Raises Unanswered where there is no such."""
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command line's own words
                self._words,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise Unanswered(f"{self._words[0]} cannot be started: {error.strerror}") from None
        self._readers = [
            threading.Thread(target=self._read, args=(stream, self._answers if answers else None), daemon=True)
            for stream, answers in ((self._process.stdout, True), (self._process.stderr, False))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str], answers: queue.Queue[dict[str, Any] | None] | None) -> None:
        for line in stream:
            self._said.append(line)
            with suppress(ValueError):
                if answers is not None and isinstance(answer := json.loads(line), dict) and "ok" in answer:
                    answers.put(answer)
        if answers is not None:
            answers.put(None)

    def send(self, do: str, **more: Any) -> None:
        """Give a command. Raises Unanswered."""
        stdin = self._process.stdin
        if stdin is None:
            raise Unanswered("the client takes no commands")
        try:
            stdin.write(json.dumps({"do": do, **more}) + "\n")
            stdin.flush()
        except OSError:
            raise Unanswered(self._epitaph(do)) from None

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Give a command; the answer. Raises Unanswered."""
        self.send(do, **more)
        try:
            answer = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise Unanswered(f"no answer to {do!r} within {PATIENCE:g} s") from None
        if answer is None:
            raise Unanswered(self._epitaph(do))
        return answer

    def restart(self) -> None:
        """Kill it and run the command again. Raises Unanswered."""
        self.close()
        self._start()

    def shows_tokens(self) -> int:
        """How many of the lines that it wrote show a token."""
        return sum(map(holds_token, self._said))

    def close(self) -> None:
        """End it as a phone ends an app: at once, and with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for reader in self._readers:
            reader.join(timeout=5)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _epitaph(self, do: str) -> str:
        return f"the client ended before it answered {do!r} (exit code {self._process.poll()})"

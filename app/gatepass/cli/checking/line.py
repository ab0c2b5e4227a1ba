"""The line to a client that connects by itself: it fetches one step after the other, and answers each.

The scenarios run in one thread and the client's calls arrive in others; this is where they meet. A step is over when it is
answered, or when the next one is given. A restart is answered by a *run* of the app that did not exist before: each start
of the app makes up a word of its own and sends it along.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from gatepass.cli.checking.client import Unanswered
from gatepass.cli.checking.verdicts import holds_token

INSTALL, RESTART, END = "install", "restart", "end"
NOBODY = ""


class Line:
    """One client, for all scenarios. *patience*: seconds that a step may take; *tell* hears of each step given."""

    def __init__(self, patience: float, tell: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        self.patience = patience
        self._tell = tell
        self._changed = threading.Condition()
        self._number = 0
        self._step: dict[str, Any] | None = None
        self._answer: dict[str, Any] | None = None
        self._fetched = False
        self._run, self._old_run = NOBODY, NOBODY
        self._heard: float | None = None
        self._lost: float | None = None
        self._closed = False
        self.lines_with_tokens: int | None = None

    # The scenarios' end.

    def give(self, step: dict[str, Any]) -> int:
        """Let *step* be the next one; its number."""
        with self._changed:
            self._number += 1
            self._step, self._answer, self._fetched = {"step": self._number, **step}, None, False
            self._old_run = self._run
            self._changed.notify_all()
        self._tell(self._step)
        return self._number

    def answer_to(self, number: int) -> dict[str, Any]:
        """What the client answers to that step. Raises Unanswered, at once where it was lost before and is not back."""
        with self._changed:
            if self._lost is not None and (self._heard or 0) <= self._lost:
                raise Unanswered(f"the client was not heard of again: {self._silence()}")
            self._changed.wait_for(lambda: self._answer is not None or self._closed, self.patience)
            if self._answer is not None:
                return self._answer
            if self._closed:
                raise Unanswered("the check was stopped")
            self._lost = time.monotonic()
            raise Unanswered(self._why(number))

    def await_contact(self) -> bool:
        """Whether a client asks for a step in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._heard is not None, self.patience)

    def say_goodbye(self, *, passed: bool, patience: float) -> None:
        """Tell a client that is still there that it was the last step."""
        self.give({"do": END, "passed": passed})
        with self._changed:
            if self._lost is None:
                self._changed.wait_for(lambda: self._fetched, patience)

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _why(self, number: int) -> str:
        do = self._step["do"] if self._step is not None else ""
        if not self._fetched:
            return f"the client did not fetch step {number} ({do!r}) within {self.patience:g} s: {self._silence()}"
        if do == RESTART:
            return f"no new run of the app asked for a step within {self.patience:g} s after {do!r}"
        return f"no answer to step {number} ({do!r}) within {self.patience:g} s"

    def _silence(self) -> str:
        if self._heard is None:
            return "it never asked for a step"
        return f"it last asked for a step {time.monotonic() - self._heard:.0f} s ago"

    # The client's end.

    def fetch(self, run: str, after: int, seconds: float) -> dict[str, Any] | None:
        """The step to be done, as soon as there is one behind number *after*; None where there is none in time."""
        with self._changed:
            self._heard, self._run = time.monotonic(), run
            if self._step is not None and self._step["do"] == RESTART and run != self._old_run:
                self._answer = self._answer or {"ok": True}
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_due(after) or self._closed, seconds)
            if not self._is_due(after):
                return None
            self._fetched = True
            self._changed.notify_all()
            return self._step

    def _is_due(self, after: int) -> bool:
        return self._step is not None and self._answer is None and self._number > after

    def answer(self, number: int, answer: dict[str, Any]) -> bool:
        """Take the answer to that step; False where the step is over."""
        with self._changed:
            self._heard = time.monotonic()
            if number != self._number or self._step is None or self._step["do"] == RESTART or self._answer is not None:
                return False
            self._answer = answer
            self._changed.notify_all()
            return True

    def log(self, text: str) -> None:
        """Take lines of the app's log, to be searched for tokens; they are not kept."""
        with self._changed:
            self.lines_with_tokens = (self.lines_with_tokens or 0) + sum(map(holds_token, text.splitlines()))


class Connected:
    """The client on the *line*, in one scenario; *about* is told with every step. Raises Unanswered at the start."""

    def __init__(self, line: Line, about: dict[str, Any]) -> None:
        self._line, self._about = line, about
        line.lines_with_tokens = None
        self.ask(INSTALL)

    def send(self, do: str, **more: Any) -> int:
        """Give a command; the number of its step."""
        return self._line.give({"do": do, **more, **self._about})

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Give a command; the answer. Raises Unanswered."""
        return self._line.answer_to(self.send(do, **more))

    def restart(self) -> None:
        """Have the app killed and opened again. Raises Unanswered."""
        self.ask(RESTART)

    def close(self) -> None:
        """The next scenario begins with a fresh install."""

    def shows_tokens(self) -> int | None:
        return self._line.lines_with_tokens

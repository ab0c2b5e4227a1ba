"""What a scenario asks of the client under test, however that is reached."""

from __future__ import annotations

from typing import Any, Protocol


class Unanswered(Exception):
    """The client did not answer: it is gone, silent, or could not be started."""


class Client(Protocol):
    """One client, installed afresh for one scenario."""

    def send(self, do: str, **more: Any) -> object:
        """Give a command and do not wait for it. Raises Unanswered."""

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Give a command; the answer. Raises Unanswered."""

    def restart(self) -> None:
        """The system kills the app, in the middle of whatever it does, and its user opens it again. Raises Unanswered."""

    def close(self) -> None:
        """The scenario is over."""

    def shows_tokens(self) -> int | None:
        """How many lines of its log show a token; None where it kept its log to itself."""

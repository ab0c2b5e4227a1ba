"""What a crowd of phones was told by a server in trouble, and what the server owes them for it.

Every acknowledged answer is written down. Afterwards the ledger is held against the server: no session that was
acknowledged may be lost, none that was ended may be alive again, and whatever failed on the way must have failed
honestly: a 503 with `Retry-After` in the words of its surface, or a connection that broke.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

TEMPORARILY: dict[str, object] = {
    "/sdk/": {
        "code": -1,
        "success": False,
        "error": {"status": 503, "code": 1191, "message": "Temporarily unavailable"},
    },
    "/v1/": {"error": "temporarily_unavailable", "detail": "Temporarily unavailable."},
    "/v2/": {"detail": "Temporarily unavailable"},
    "/admin/": {
        "status": 503,
        "title": "Unavailable",
        "detail": "The database cannot answer now; try again in 1 s.",
    },
}
"""A fault of the server's in each surface's envelope (contracts elixir 6, junction 2 to 4 and 6.5; RFC 9457)."""


@dataclass
class Ended:
    """A session whose end was acknowledged, and what its phone still holds."""

    phone: str
    surface: str
    how: str
    refresh_token: str
    access_token: str


@dataclass
class Ledger:
    """The books of one crowd. Instants are monotonic seconds."""

    answers: Counter[str] = field(default_factory=Counter)
    """How many, by verb and outcome: `refresh 200`, `refresh 503`, `refresh dropped`."""
    violations: list[str] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    good: list[float] = field(default_factory=list)
    """When each good answer came."""
    slowest: float = 0.0
    """Seconds of the slowest answer, good or not."""

    def acknowledge(self, verb: str, began: float) -> None:
        """A good answer, asked for at *began*."""
        now = time.monotonic()
        self.answers[f"{verb} 200"] += 1
        self.good.append(now)
        self.slowest = max(self.slowest, now - began)

    def drop(self, verb: str, error: httpx.TransportError, began: float) -> None:
        """No answer came."""
        if isinstance(error, httpx.TimeoutException):
            self.violations.append(f"{verb}: no answer in time ({type(error).__name__})")
        self.answers[f"{verb} dropped"] += 1
        self.slowest = max(self.slowest, time.monotonic() - began)

    def fault(self, verb: str, answer: httpx.Response, began: float) -> None:
        """Judge an answer that says the server is in trouble."""
        self.answers[f"{verb} {answer.status_code}"] += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        path = answer.request.url.path
        expected = next(body for prefix, body in TEMPORARILY.items() if path.startswith(prefix))
        if (
            answer.status_code != 503
            or not answer.headers.get("retry-after", "").isdecimal()
            or _body(answer) != expected
        ):
            self.violations.append(f"{verb}: a dishonest failure, {answer.status_code} {answer.text[:200]}")

    def refuse(self, verb: str, phone: str, answer: httpx.Response) -> None:
        """A session that was owed to *phone* was refused."""
        self.answers[f"{verb} {answer.status_code}"] += 1
        self.violations.append(f"{verb}: {phone} was told {answer.status_code} {answer.text[:200]}")

    def first_good_after(self, instant: float) -> float:
        """Seconds from *instant* to the next good answer; infinite where none came."""
        return next((at - instant for at in self.good if at >= instant), float("inf"))

    def count(self, outcome: str) -> int:
        """How many answers ended with *outcome*: `200`, `503`, `dropped`."""
        return sum(many for what, many in self.answers.items() if what.endswith(f" {outcome}"))


def _body(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None

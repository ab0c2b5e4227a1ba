"""What a test holds in its hands: the inbox, the clock, the faults and the journal of one world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from gatepass.testing.control_plane import ControlPlane, NothingArrived


class _Part:
    def __init__(self, plane: ControlPlane, team_id: str) -> None:
        self._plane = plane
        self._world = f"/_test/worlds/{team_id}"


@dataclass(frozen=True, slots=True)
class Message:
    """One mail. *code* and *transaction_id* are read from it where it brings a code; *sent_at* by the world's clock."""

    id: str
    to: str
    subject: str
    text: str
    html: str
    code: str | None
    transaction_id: str | None
    sent_at: datetime

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        return cls(**{**told, "sent_at": datetime.fromisoformat(told["sent_at"])})


class Inbox(_Part):
    """The world's mail, whoever it is for; iterate over it for all, oldest first."""

    def wait(self, to: str | None = None, *, after: Message | None = None, timeout: float = 10) -> Message:
        """The latest mail to *to*, or the first to come within *timeout* seconds; with *after* the next behind that one.

        Raises NothingArrived, which says what did.
        """
        query = {"to": to, "after": after and after.id}
        found, arrived = self._plane.wait(f"{self._world}/messages/wait", timeout, **query)
        if found is not None:
            return Message.of(found)
        shown = [f"{one['sent_at']} to {one['to']}: {one['subject']}" for one in arrived]
        raise NothingArrived(f"no {'later ' * bool(after)}mail to {to or 'anyone'} in {timeout:g} s", arrived, shown)

    def to(self, address: str) -> list[Message]:
        """The mails to that address so far, oldest first."""
        return [Message.of(one) for one in self._plane.call("GET", f"{self._world}/messages", to=address)]

    def __iter__(self) -> Iterator[Message]:
        return iter([Message.of(one) for one in self._plane.call("GET", f"{self._world}/messages")])

    def __len__(self) -> int:
        return len(list(self))


class Clock(_Part):
    """The world's time, by which everything in it lives and dies, and which its clients see."""

    @property
    def now(self) -> datetime:
        return _now(self._plane.call("GET", f"{self._world}/clock"))

    def advance(self, seconds: float | timedelta = 0, **units: float) -> datetime:
        """Let time pass: `advance(90)`, `advance(hours=1)`, `advance(timedelta(days=2))`; what time it is then."""
        length = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        body = {"seconds": (length + timedelta(**units)).total_seconds()}
        return _now(self._plane.call("POST", f"{self._world}/clock/advance", body))

    def set(self, at: datetime | str) -> datetime:
        """Let it stand still at that instant, which names its zone; `advance` moves it on from there."""
        instant = at if isinstance(at, str) else at.isoformat()
        return _now(self._plane.call("PUT", f"{self._world}/clock", {"at": instant}))

    def reset(self) -> datetime:
        """Back to the server's."""
        return _now(self._plane.call("PUT", f"{self._world}/clock", {"offset_seconds": 0}))


def _now(told: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(told["now"])


class Faults(_Part):
    """What goes wrong in the world: each verb adds one fault to those that stand.

    *path* is a route's template or a glob (`/sdk/auth/v2/*`); without it any call is struck. *times* says how often, 0 is
    without end; *method*, *user* (id or address) and *nth* (the first call to strike) say which; *probability* how likely.
    """

    def lose_answer(self, path: str | None = None, **which: Any) -> None:
        """The call is handled and committed, and the connection breaks before its answer: the failure that hurts most."""
        self._add({"kind": "commit_then_drop"}, path, which)

    def answer(self, status: int, path: str | None = None, *, retry_after: int | None = None, **which: Any) -> None:
        """The call gets that error in the dialect's own words and is never handled. *retry_after* in seconds."""
        self._add({"kind": "status", "status": status, "retry_after": retry_after}, path, which)

    def answer_503_after_commit(self, path: str | None = None, **which: Any) -> None:
        """The call is handled and committed, and its caller told 503, as by a proxy that lost patience."""
        self._add({"kind": "commit_then_503"}, path, which)

    def truncate(self, path: str | None = None, **which: Any) -> None:
        """The answer ends in the middle of its body."""
        self._add({"kind": "truncate"}, path, which)

    def hang(self, path: str | None = None, **which: Any) -> None:
        """The call is handled and never answered."""
        self._add({"kind": "hang"}, path, which)

    def delay(self, seconds: float, path: str | None = None, **which: Any) -> None:
        """The answer comes that late."""
        self._add({"kind": "delay", "delay_ms": round(seconds * 1000)}, path, which)

    def duplicate(self, path: str | None = None, **which: Any) -> None:
        """The call is handled twice and the second answer sent, as by a proxy that retries."""
        self._add({"kind": "duplicate"}, path, which)

    def clear(self) -> None:
        """Nothing more goes wrong."""
        self._plane.call("DELETE", f"{self._world}/faults")

    @property
    def standing(self) -> list[dict[str, Any]]:
        """Those that were added, with how many calls each has *seen*, how often it *fired*, and what is *left*."""
        told: list[dict[str, Any]] = self._plane.call("GET", f"{self._world}/faults")
        return told

    def _add(self, do: dict[str, Any], path: str | None, which: dict[str, Any]) -> None:
        match: dict[str, Any] = {name: which.pop(name) for name in ("method", "user", "nth") if name in which}
        added = {"match": {"path": path, **match}, "do": do, **which}
        left = [_as_ordered(one) for one in self.standing if one["left"] != 0]
        self._plane.call("PUT", f"{self._world}/faults", [*left, added])


def _as_ordered(standing: dict[str, Any]) -> dict[str, Any]:
    """A standing fault as it is ordered again: what it has seen and struck is taken off."""
    ordered = {name: value for name, value in standing.items() if name not in ("seen", "fired", "left")}
    nth = max(1, standing["match"]["nth"] - standing["seen"])
    return {**ordered, "match": {**standing["match"], "nth": nth}, "times": standing["left"] or 0}


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the world as the server saw it, without its secrets. *took* in ms; *status* None where no answer left."""

    id: int
    at: int
    took: int
    method: str
    path: str
    query: dict[str, Any]
    status: int | None
    fault: str | None
    user: str | None
    session: str | None
    generation: int | None
    request: Any
    response: Any


class Requests(_Part):
    """The world's calls; iterate over it for all, oldest first."""

    def to(self, path: str, *, method: str | None = None) -> list[Request]:
        """Those to a route's template or a glob, so far."""
        told = self._plane.call("GET", f"{self._world}/requests", path=path, method=method)
        return [Request(**one) for one in told]

    def wait(self, count: int = 1, path: str | None = None, *, timeout: float = 10) -> list[Request]:
        """The same once there are *count* of them. Raises NothingArrived after *timeout* seconds."""
        found, arrived = self._plane.wait(f"{self._world}/requests/wait", timeout, count=count, path=path)
        if found is not None:
            return [Request(**one) for one in found]
        shown = [f"{one['method']} {one['path']} {one['status']}" for one in arrived]
        raise NothingArrived(f"no {count} calls to {path or 'anywhere'} in {timeout:g} s", arrived, shown)

    def __iter__(self) -> Iterator[Request]:
        return iter([Request(**one) for one in self._plane.call("GET", f"{self._world}/requests")])

    def __len__(self) -> int:
        return len(list(self))

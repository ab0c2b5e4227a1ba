"""The client's half of the rotation bargain, for both dialects.

A dialect says how a refresh is asked for and what an answer means; everything that keeps a phone signed in is here.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from gatepass.client.driving import Flow, Pause
from gatepass.client.errors import ClientError, NotSignedIn, TemporarilyUnavailable
from gatepass.client.storage import MemoryStore, State, Store

ATTEMPTS = 3
EARLY = 30.0
"""Seconds before its expiry at which an access token is replaced."""
LONGEST_PAUSE = 10.0
"""Seconds to wait for a server that asks for patience; one that asks for more gets it, but no caller is held up."""


class Session(ABC):
    """One stored session. *now* is the wall clock in seconds since the epoch."""

    def __init__(
        self,
        http: httpx.Client | httpx.AsyncClient,
        store: Store | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.http = http
        self.store: Store = store if store is not None else MemoryStore()
        self.now = now

    @abstractmethod
    def refresh_request(self, refresh_token: str) -> httpx.Request:
        """How this dialect asks for a refresh."""

    @abstractmethod
    def read_refresh(self, state: State, answer: httpx.Response) -> State:
        """The state after an answer that is neither 429 nor 5xx.

        Raises `Ended` for the server's last word, TemporarilyUnavailable for an answer that no server of ours gave.
        """

    @abstractmethod
    def sign_out(self) -> Flow[None]:
        """Forget the session, then tell the server."""

    @abstractmethod
    def is_token_refused(self, answer: httpx.Response) -> bool:
        """Whether *answer* means that the access token is no good any more."""

    def key_auth(self) -> httpx.Auth | None:
        """What authenticates calls where no access token does."""
        return None

    def explain_absence(self, state: State) -> ClientError:
        """Why *state* holds no session."""
        return NotSignedIn("no session is stored")

    def access_token(self, stale: str | None = None) -> Flow[str]:
        """A token to use now; *stale* is one that the server has just refused.

        Raises NotSignedIn, SignedOut, Reauthenticate, and TemporarilyUnavailable, which keeps the session.
        """
        for attempt in range(ATTEMPTS):
            state = self.store.load()
            if (token := self._usable(state, stale)) is not None:
                return token
            sent = state["refresh_token"]
            try:
                answer = yield from self.attempt(self.refresh_request(sent), patience=2.0**attempt)
                refreshed = self.read_refresh(state, answer)
            except TemporarilyUnavailable as later:
                if attempt + 1 == ATTEMPTS or later.retry_after > LONGEST_PAUSE:
                    raise
                yield Pause(later.retry_after)
            except Ended as ended:
                if self.store.replace(sent, ended.state):
                    raise ended.error from None
            else:
                if self.store.replace(sent, refreshed):
                    return str(refreshed["access_token"])
                # Another process was faster: its pair is in the store, and ours was the same successor.
        raise TemporarilyUnavailable

    def _usable(self, state: State, stale: str | None) -> str | None:
        if not state.get("refresh_token"):
            raise self.explain_absence(state)
        token: str = state["access_token"]
        return token if token != stale and self.now() < state["expires_at"] - EARLY else None

    def attempt(self, request: httpx.Request, patience: float = 1.0) -> Flow[httpx.Response]:
        """Send *request* once. Raises TemporarilyUnavailable for 429, 5xx and a lost answer: nothing is known then.

        *patience* is how long to wait (seconds) where the server does not say.
        """
        try:
            answer: httpx.Response = yield request
        except httpx.RequestError:
            raise TemporarilyUnavailable(patience) from None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise TemporarilyUnavailable(retry_after(answer, patience, self.now()))
        return answer

    def pair(self, access_token: object, refresh_token: object, life: object) -> State:
        """The stored form of a new pair. Its *life* (seconds) counts from now, so a wrong phone clock does no harm.

        Raises TemporarilyUnavailable for anything else, such as the page of a captive portal.
        """
        if isinstance(access_token, str) and isinstance(refresh_token, str) and isinstance(life, int | float):
            return {"access_token": access_token, "refresh_token": refresh_token, "expires_at": self.now() + life}
        raise TemporarilyUnavailable


class Ended(Exception):
    """The server's last word on a session: the *state* to leave behind and the *error* to raise."""

    def __init__(self, state: State, error: ClientError) -> None:
        self.state = state
        self.error = error


def retry_after(answer: httpx.Response, otherwise: float, now: float) -> float:
    """Seconds that the server asked to wait, in either form of RFC 9110 section 10.2.3, else *otherwise*."""
    value = answer.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return otherwise


def json_object(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object in *answer*; empty for anything else."""
    try:
        return member(answer.json())
    except ValueError:
        return {}


def member(value: object) -> dict[str, Any]:
    """*value* if it is an object, else an empty one: what a stranger sent is read without stumbling."""
    return value if isinstance(value, dict) else {}

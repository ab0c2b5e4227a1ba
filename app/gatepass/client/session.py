"""The client's half of the rotation bargain, for both dialects.

A dialect says how a refresh is asked for and what an answer means; everything that keeps a phone signed in is here.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import httpx

from gatepass.client.driving import Flow, Pause
from gatepass.client.errors import ClientError, NotSignedIn, TemporarilyUnavailable
from gatepass.client.storage import State, Store

ATTEMPTS = 3
EARLY = 30.0
"""Seconds before its expiry at which an access token is replaced."""
LONGEST_PAUSE = 10.0


class Session(ABC):
    """One stored session. *now* is the wall clock in seconds since the epoch."""

    def __init__(
        self, http: httpx.Client | httpx.AsyncClient, store: Store, now: Callable[[], float] = time.time
    ) -> None:
        self.http = http
        self.store = store
        self.now = now

    @abstractmethod
    def refresh_request(self, refresh_token: str) -> httpx.Request:
        """How this dialect asks for a refresh."""

    @abstractmethod
    def read_refresh(self, state: State, answer: httpx.Response) -> State:
        """The state after an answer that is neither 429 nor 5xx. Raises `Ended` for the server's last word."""

    def access_token(self, stale: str | None = None) -> Flow[str]:
        """A token to use now; *stale* is one that the server has just refused.

        Raises NotSignedIn, SignedOut, Reauthenticate, TemporarilyUnavailable (the session is kept).
        """
        wait = 1.0
        for attempt in range(ATTEMPTS):
            if attempt:
                yield Pause(min(wait, LONGEST_PAUSE))
            state = self.store.load()
            if (token := self._usable(state, stale)) is not None:
                return token
            sent = state["refresh_token"]
            try:
                answer = yield self.refresh_request(sent)
            except httpx.TransportError:
                wait = 2.0**attempt
                continue
            assert answer is not None
            if answer.status_code == 429 or answer.status_code >= 500:
                wait = retry_after(answer, 2.0**attempt)
                continue
            try:
                refreshed = self.read_refresh(state, answer)
            except Ended as ended:
                self.store.replace(sent, ended.state)
                raise ended.error from None
            if self.store.replace(sent, refreshed):
                return str(refreshed["access_token"])
            # Another process was faster: its pair is in the store, and ours was the same successor.
        raise TemporarilyUnavailable(wait)

    def _usable(self, state: State, stale: str | None) -> str | None:
        if not state.get("refresh_token"):
            self.explain_absence(state)
            raise NotSignedIn("no session is stored")
        token: str = state["access_token"]
        return token if token != stale and self.now() < state["expires_at"] - EARLY else None

    def explain_absence(self, state: State) -> None:  # noqa: B027 - a dialect may say more
        """Raise something finer than NotSignedIn, where the state says more."""

    @abstractmethod
    def is_token_refused(self, answer: httpx.Response) -> bool:
        """Whether *answer* means that the access token is no good any more."""


class Ended(Exception):
    """The server's last word on a session: the *state* to leave behind and the *error* to raise."""

    def __init__(self, state: State, error: ClientError) -> None:
        self.state = state
        self.error = error


def retry_after(answer: httpx.Response, otherwise: float) -> float:
    """Seconds that the server asked to wait (RFC 9110 section 10.2.3), else *otherwise*."""
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isdigit() else otherwise


def json_object(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object in *answer*; empty for anything else."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}

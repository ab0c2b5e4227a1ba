"""One logic, two ways to wait.

A *flow* is a generator that yields what it wants done: a request sent, a pause made, the app asked. It is handed what
came of that, and what it returns is the result. The same flow is driven by blocking calls here and by awaited ones there.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

ATTEMPT_TIMEOUT = 30.0
"""Seconds after which an attempt counts as lost: within the server's replay window."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait *seconds* before going on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Call the app back with *about*; the blocking driver calls, the other one calls and awaits."""

    app: Callable[[str], Any]
    about: str


Wish = httpx.Request | Pause | Ask
Flow = Generator[Wish, Any, T]


class Driver:
    """Drives flows over a blocking httpx client, one at a time where asked."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self._flight = threading.Lock()

    def run(self, flow: Flow[T]) -> T:
        """The flow's result. Raises what the flow raises."""
        answer, lost = None, None
        while True:
            try:
                wish = flow.throw(lost) if lost is not None else flow.send(answer)
            except StopIteration as done:
                result: T = done.value
                return result
            try:
                answer, lost = self._do(wish), None
            except httpx.RequestError as error:
                lost = error

    def run_alone(self, flow: Flow[T]) -> T:
        """The same, with no other such flow of this client in flight."""
        with self._flight:
            return self.run(flow)

    def _do(self, wish: Wish) -> Any:
        match wish:
            case Pause(seconds):
                time.sleep(seconds)
                return None
            case Ask(app, about):
                return app(about)
            case request:
                return self.http.send(request)


class AsyncDriver:
    """Drives the same flows over an asynchronous httpx client."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self._flight = asyncio.Lock()

    async def run(self, flow: Flow[T]) -> T:
        """The flow's result. Raises what the flow raises."""
        answer, lost = None, None
        while True:
            try:
                wish = flow.throw(lost) if lost is not None else flow.send(answer)
            except StopIteration as done:
                result: T = done.value
                return result
            try:
                answer, lost = await self._do(wish), None
            except httpx.RequestError as error:
                lost = error

    async def run_alone(self, flow: Flow[T]) -> T:
        """The same, with no other such flow of this client in flight."""
        async with self._flight:
            return await self.run(flow)

    async def _do(self, wish: Wish) -> Any:
        match wish:
            case Pause(seconds):
                await asyncio.sleep(seconds)
                return None
            case Ask(app, about):
                return await app(about)
            case request:
                try:
                    async with asyncio.timeout(ATTEMPT_TIMEOUT):
                        return await self.http.send(request)
                except TimeoutError:
                    raise httpx.ReadTimeout("given up", request=request) from None


def build(http: httpx.Client | httpx.AsyncClient, method: str, url: str, **more: Any) -> httpx.Request:
    """A request whose phases (connecting, TLS, sending, waiting for the answer) end within ATTEMPT_TIMEOUT together."""
    timeout = httpx.Timeout(ATTEMPT_TIMEOUT / 6, read=ATTEMPT_TIMEOUT / 2)
    return http.build_request(method, url, timeout=timeout, **more)

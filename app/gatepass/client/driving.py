"""One logic, two ways to wait.

A *flow* is a generator that yields the requests it wants sent and the pauses it wants made, and is handed the responses;
what it returns is the result. The same flow is driven by blocking calls here and by awaited ones there.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
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


Flow = Generator[httpx.Request | Pause, httpx.Response | None, T]


class Driver:
    """Drives flows over a blocking httpx client, one at a time where asked."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self._flight = threading.Lock()

    def run(self, flow: Flow[T]) -> T:
        """The flow's result. Raises what the flow raises."""
        try:
            wanted = next(flow)
            while True:
                try:
                    answer = self._do(wanted)
                except httpx.TransportError as lost:
                    wanted = flow.throw(lost)
                else:
                    wanted = flow.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result

    def run_alone(self, flow: Flow[T]) -> T:
        """The same, with no other such flow of this client in flight."""
        with self._flight:
            return self.run(flow)

    def _do(self, wanted: httpx.Request | Pause) -> httpx.Response | None:
        if isinstance(wanted, Pause):
            time.sleep(wanted.seconds)
            return None
        return self.http.send(wanted)


class AsyncDriver:
    """Drives the same flows over an asynchronous httpx client."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self._flight = asyncio.Lock()

    async def run(self, flow: Flow[T]) -> T:
        """The flow's result. Raises what the flow raises."""
        try:
            wanted = next(flow)
            while True:
                try:
                    answer = await self._do(wanted)
                except httpx.TransportError as lost:
                    wanted = flow.throw(lost)
                else:
                    wanted = flow.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result

    async def run_alone(self, flow: Flow[T]) -> T:
        """The same, with no other such flow of this client in flight."""
        async with self._flight:
            return await self.run(flow)

    async def _do(self, wanted: httpx.Request | Pause) -> httpx.Response | None:
        if isinstance(wanted, Pause):
            await asyncio.sleep(wanted.seconds)
            return None
        return await self.http.send(wanted)


def build(http: httpx.Client | httpx.AsyncClient, method: str, url: str, **more: Any) -> httpx.Request:
    """A request with the attempt's time limit."""
    return http.build_request(method, url, timeout=ATTEMPT_TIMEOUT, **more)

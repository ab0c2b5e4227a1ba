"""A network between a client and a server in this process that can lose what travels over it, and a host that is silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI


class Network(httpx.AsyncBaseTransport):
    """Carries requests to *app*. Whatever *fate* says of a request happens to it; by default all is well."""

    def __init__(self, app: FastAPI) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.7", 50000))
        self.fate: Callable[[httpx.Request], str | int] = lambda _: "arrive"
        self.sent: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fate = self.fate(request)
        self.sent.append((request.method, request.url.path))
        if fate == "lose request":
            raise httpx.ConnectError("no route", request=request)
        if isinstance(fate, int):
            return httpx.Response(fate, headers={"retry-after": "0"}, request=request)
        answer = await self._inner.handle_async_request(request)
        if fate == "lose answer":
            await answer.aread()
            raise httpx.ReadError("the connection broke", request=request)
        return answer

    def calls(self, path: str) -> int:
        """How many requests to *path* were sent."""
        return sum(sent == path for _, sent in self.sent)


def first(fate: str | int, *, of: str, times: int = 1) -> Callable[[httpx.Request], str | int]:
    """A fate for the first *times* requests to the path *of*; the rest arrive."""
    left = times

    def decide(request: httpx.Request) -> str | int:
        nonlocal left
        if request.url.path == of and left:
            left -= 1
            return fate
        return "arrive"

    return decide


@asynccontextmanager
async def silent_host() -> AsyncIterator[tuple[int, list[object]]]:
    """A port where one may connect, and gets no word; and who has come."""
    came: list[object] = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], came

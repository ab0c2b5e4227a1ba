"""An `httpx.Auth` for each kind of client: any httpx user gets refresh for free.

auth = BearerAuth(client)           # a JunctionClient or an ElixirClient
httpx.get(url, auth=auth)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Protocol

import httpx


class _Tokens(Protocol):
    def access_token(self, stale: str | None = None) -> str: ...
    def is_token_refused(self, answer: httpx.Response) -> bool: ...


class _AsyncTokens(Protocol):
    async def access_token(self, stale: str | None = None) -> str: ...
    def is_token_refused(self, answer: httpx.Response) -> bool: ...


class BearerAuth(httpx.Auth):
    """Sends the access token, and once more a fresh one when the answer says that it is no good any more."""

    def __init__(self, client: _Tokens) -> None:
        self._client = client

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        token = self._client.access_token()
        request.headers["authorization"] = f"Bearer {token}"
        answer = yield request
        if answer.is_client_error:
            answer.read()
        if self._client.is_token_refused(answer):
            request.headers["authorization"] = f"Bearer {self._client.access_token(stale=token)}"
            yield request


class AsyncBearerAuth(httpx.Auth):
    """The same over an asynchronous client."""

    def __init__(self, client: _AsyncTokens) -> None:
        self._client = client

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See httpx.Auth."""
        token = await self._client.access_token()
        request.headers["authorization"] = f"Bearer {token}"
        answer = yield request
        if answer.is_client_error:
            await answer.aread()
        if self._client.is_token_refused(answer):
            request.headers["authorization"] = f"Bearer {await self._client.access_token(stale=token)}"
            yield request


class KeyAuth(httpx.Auth):
    """Sends a key in the header of that name, over either kind of client."""

    def __init__(self, header: str, key: str) -> None:
        self._header, self._key = header, key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        request.headers[self._header] = self._key
        yield request

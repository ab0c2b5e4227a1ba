"""What every client offers, whatever its dialect: once for threads, once for an event loop.

All logic is in the flows of a `Session`; a shell hands them to its driver.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx

from gatepass.client.driving import AsyncDriver, Driver
from gatepass.client.http_auth import AsyncBearerAuth, BearerAuth
from gatepass.client.session import Session

S = TypeVar("S", bound=Session)


class Connected:
    """Flows for threads: safe to share, and holding connections until it is closed."""

    def __init__(self, http: httpx.Client) -> None:
        self._driver = Driver(http)

    def close(self) -> None:
        """Close the connections."""
        self._driver.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncConnected:
    """Flows for an event loop; otherwise as `Connected`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._driver = AsyncDriver(http)

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()


class Shell(Connected, Generic[S]):
    """A client for threads; the store carries its session over a restart."""

    def __init__(self, http: httpx.Client, session: S) -> None:
        super().__init__(http)
        self._session = session

    def access_token(self, stale: str | None = None) -> str:
        """A token to use now, refreshed if need be; *stale* is one that was just refused.

        Raises NotSignedIn, SignedOut, Reauthenticate, TemporarilyUnavailable.
        """
        return self._driver.run_alone(self._session.access_token(stale))

    def is_token_refused(self, answer: httpx.Response) -> bool:
        """Whether *answer* means that the access token is no good any more."""
        return self._session.is_token_refused(answer)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A call as the signed-in user; *more* as httpx takes it. Raises as `access_token`, and httpx's own errors."""
        auth = self._session.key_auth() or BearerAuth(self)
        return self._driver.http.request(method, path, auth=auth, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET as the signed-in user."""
        return self.request("GET", path, **more)

    def sign_out(self) -> None:
        """Forget the session here and end it there; without a network it is only forgotten."""
        self._driver.run_alone(self._session.sign_out())


class AsyncShell(AsyncConnected, Generic[S]):
    """A client for an event loop; otherwise as `Shell`."""

    def __init__(self, http: httpx.AsyncClient, session: S) -> None:
        super().__init__(http)
        self._session = session

    async def access_token(self, stale: str | None = None) -> str:
        """See Shell.access_token."""
        return await self._driver.run_alone(self._session.access_token(stale))

    def is_token_refused(self, answer: httpx.Response) -> bool:
        """See Shell.is_token_refused."""
        return self._session.is_token_refused(answer)

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """See Shell.request."""
        auth = self._session.key_auth() or AsyncBearerAuth(self)
        return await self._driver.http.request(method, path, auth=auth, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """See Shell.get."""
        return await self.request("GET", path, **more)

    async def sign_out(self) -> None:
        """See Shell.sign_out."""
        await self._driver.run_alone(self._session.sign_out())

"""A Junction client with the life cycle of the vendor's mobile SDKs.

    client = JunctionClient("http://127.0.0.1:8000", store=FileStore("session.json"))
    client.sign_in(sign_in_token)          # from your backend: POST /v2/user/{id}/sign_in_token
    client.get(f"/v2/user/{client.user_id}")

`identify` is the call to make at every launch: it signs in when nobody is, changes users when another one is, asks for a
new sign-in token when the server wants one, and does nothing when all is well.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import httpx

from gatepass.client.junction_session import JunctionSession, Status
from gatepass.client.shells import AsyncShell, Shell
from gatepass.client.storage import Store


class _Remembered:
    """What a client knows without asking anybody, and API-key mode, which needs no server either."""

    _session: JunctionSession

    @property
    def status(self) -> Status:
        """What the client is now."""
        return self._session.status

    @property
    def user_id(self) -> str | None:
        """Who is signed in."""
        return self._session.store.load().get("user_id")

    def configure(self, api_key: str, *, environment: str, region: str) -> None:
        """API-key mode, at every launch. Migrate from it by signing in with a sign-in token for the same user.

        Raises CannotMigrate when signed in with a sign-in token, or when a user of another place is.
        """
        self._session.configure(api_key, environment=environment, region=region)

    def set_user_id(self, user_id: str) -> None:
        """Whom the API key acts for. Raises NotSignedIn without a key, CannotMigrate when another user is signed in."""
        self._session.set_user_id(user_id)


class JunctionClient(_Remembered, Shell[JunctionSession]):
    """For threads. Safe to share; the store carries the session over a restart."""

    def __init__(
        self,
        base_url: str,
        *,
        store: Store | None = None,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        http = httpx.Client(base_url=base_url, transport=transport)
        super().__init__(http, JunctionSession(http, store, now))

    def sign_in(self, sign_in_token: str) -> str:
        """Trade a sign-in token for a session; the user's id.

        Raises Refused, CannotMigrate, TemporarilyUnavailable (call again with the same token).
        """
        return self._driver.run_alone(self._session.sign_in(sign_in_token))

    def identify(self, external_user_id: str, authenticate: Callable[[str], str]) -> str:
        """Make sure that *external_user_id* is signed in; the user's id. Call it at every launch.

        *authenticate* fetches a sign-in token from your backend; it must not call this client. Raises as `sign_in`.
        """
        return self._driver.run_alone(self._session.identify(external_user_id, authenticate))

    def reconcile(self) -> Status:
        """At launch: see whether the stored session still lives, refreshing it if its access token has run out."""
        return self._driver.run_alone(self._session.reconcile())


class AsyncJunctionClient(_Remembered, AsyncShell[JunctionSession]):
    """For an event loop; otherwise as `JunctionClient`."""

    def __init__(
        self,
        base_url: str,
        *,
        store: Store | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        http = httpx.AsyncClient(base_url=base_url, transport=transport)
        super().__init__(http, JunctionSession(http, store, now))

    async def sign_in(self, sign_in_token: str) -> str:
        """See JunctionClient.sign_in."""
        return await self._driver.run_alone(self._session.sign_in(sign_in_token))

    async def identify(self, external_user_id: str, authenticate: Callable[[str], Awaitable[str]]) -> str:
        """See JunctionClient.identify."""
        return await self._driver.run_alone(self._session.identify(external_user_id, authenticate))

    async def reconcile(self) -> Status:
        """See JunctionClient.reconcile."""
        return await self._driver.run_alone(self._session.reconcile())

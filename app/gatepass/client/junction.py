"""A Junction client with the life cycle of the vendor's mobile SDKs.

    client = JunctionClient("http://127.0.0.1:8000", store=FileStore("session.json"))
    client.sign_in(sign_in_token)          # from your backend: POST /v2/user/{id}/sign_in_token
    client.get(f"/v2/user/{client.user_id}")

`identify` is the call to make at every launch: it signs in when nobody is, changes users when another one is, asks for a
new sign-in token when the server wants one, and does nothing when all is well.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Awaitable, Callable
from enum import Flag, auto
from types import TracebackType
from typing import Any

import httpx

from gatepass.client.driving import AsyncDriver, Driver, Flow, build
from gatepass.client.errors import (
    CannotMigrate,
    ClientError,
    NotSignedIn,
    Reauthenticate,
    Refused,
    SignedOut,
    TemporarilyUnavailable,
)
from gatepass.client.http_auth import AsyncBearerAuth, BearerAuth
from gatepass.client.session import Ended, Session, json_object, retry_after
from gatepass.client.storage import MemoryStore, State, Store

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
SIGN_IN_TOKEN = "urn:junction:sign-in-token"


class Status(Flag):
    """What the client is, as the mobile SDKs report it."""

    NOTHING = 0
    CONFIGURED = auto()
    SIGNED_IN = auto()
    API_KEY = auto()
    SIGN_IN_TOKEN = auto()
    PENDING_REAUTHENTICATION = auto()


class _Junction(Session):
    """The dialect: what is asked and what answers mean (contract junction, section 6)."""

    def refresh_request(self, refresh_token: str) -> httpx.Request:
        return build(
            self.http, "POST", "/v1/token", data={"grant_type": "refresh_token", "refresh_token": refresh_token}
        )

    def read_refresh(self, state: State, answer: httpx.Response) -> State:
        body = json_object(answer)
        if answer.status_code == 200:
            return {**state, **self._tokens(body)}
        detail = body.get("detail")
        word = detail.get("error_type") if isinstance(detail, dict) else None
        if word == "invalid_token":
            raise Ended({}, SignedOut("the user is gone or disabled"))
        if word == "reauthentication_required":
            kept = {name: state[name] for name in _IDENTITY if name in state}
            raise Ended({**kept, "pending_reauthentication": True}, Reauthenticate("the session was ended"))
        raise Refused(body.get("error", answer.status_code), detail if isinstance(detail, str) else "")

    def _tokens(self, body: dict[str, Any]) -> State:
        return {
            "access_token": body["access_token"],
            "refresh_token": body["refresh_token"],
            "expires_at": self.now() + body["expires_in"],
        }

    def explain_absence(self, state: State) -> None:
        if state.get("pending_reauthentication"):
            raise Reauthenticate("the session was ended")

    def is_token_refused(self, answer: httpx.Response) -> bool:
        return answer.status_code == 401

    # Flows of the life cycle.

    def sign_in(self, sign_in_token: str) -> Flow[str]:
        """Exchange; the user's id. A repeated call after a lost answer opens the same session (R5)."""
        token, identity = _read_sign_in_token(sign_in_token)
        state = self.store.load()
        self._may_sign_in(state, identity)
        try:
            answer = yield build(
                self.http,
                "POST",
                "/v1/token",
                data={
                    "grant_type": TOKEN_EXCHANGE,
                    "subject_token_type": SIGN_IN_TOKEN,
                    "subject_token": token,
                },
            )
        except httpx.TransportError:
            raise TemporarilyUnavailable from None
        assert answer is not None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise TemporarilyUnavailable(retry_after(answer, 1.0))
        body = json_object(answer)
        if answer.status_code != 200:
            detail = body.get("detail")
            raise Refused(detail.get("error_type") if isinstance(detail, dict) else body.get("error"))
        external = {name: state[name] for name in ("external_user_id",) if name in state}
        self.store.save({**external, **identity, "user_id": body["user_id"], "mode": "token", **self._tokens(body)})
        user_id: str = body["user_id"]
        return user_id

    def _may_sign_in(self, state: State, identity: State) -> None:
        """Only the same user of the same environment and region may come in on top of another (migration, reauth)."""
        if not state.get("user_id"):
            return
        same = all(
            str(state[name]).lower() == str(identity[name]).lower()
            for name in ("user_id", "environment", "region")
            if state.get(name) is not None
        )
        if not same:
            raise CannotMigrate("sign out before another user signs in")

    def key_headers(self) -> dict[str, str] | None:
        """The headers of API-key mode; None in any other. Raises NotSignedIn without a user."""
        state = self.store.load()
        if state.get("mode") != "api_key":
            return None
        if not state.get("user_id"):
            raise NotSignedIn("set_user_id first")
        return {"x-vital-api-key": state["api_key"]}

    def revoke(self) -> Flow[None]:
        """Tell the server that the session is over (A5); a phone without a network just forgets."""
        sent = self.store.load().get("refresh_token")
        self.store.save({})
        if sent:
            try:
                yield build(self.http, "POST", "/v1/revoke", data={"token": sent})
            except httpx.TransportError:
                return

    # What needs no server.

    def configure(self, api_key: str, *, environment: str, region: str) -> None:
        """API-key mode: the deprecated way, for migrating away from."""
        state = self.store.load()
        if state.get("mode") == "token":
            raise CannotMigrate("signed in with a sign-in token already")
        self.store.save({"mode": "api_key", "api_key": api_key, "environment": environment, "region": region})

    def set_user_id(self, user_id: str) -> None:
        """Whom the API key acts for."""
        state = self.store.load()
        if state.get("mode") != "api_key":
            raise NotSignedIn("configure with an API key first")
        if state.get("user_id") not in (None, user_id):
            raise CannotMigrate("sign out before another user comes in")
        self.store.save({**state, "user_id": user_id})

    @property
    def status(self) -> Status:
        state = self.store.load()
        mode = state.get("mode")
        status = Status.NOTHING
        if mode:
            status |= Status.CONFIGURED | (Status.API_KEY if mode == "api_key" else Status.SIGN_IN_TOKEN)
        if state.get("user_id"):
            status |= Status.SIGNED_IN
        if state.get("pending_reauthentication"):
            status |= Status.PENDING_REAUTHENTICATION
        return status

    def plan(self, external_user_id: str) -> tuple[bool, bool]:
        """For `identify`: whether to sign out first, and whether to authenticate."""
        state = self.store.load()
        known = state.get("external_user_id")
        if not state.get("user_id"):
            return False, True
        if known is None:
            return False, True
        if known != external_user_id:
            return True, True
        return False, bool(state.get("pending_reauthentication"))

    def remember(self, external_user_id: str) -> None:
        """Whom the app calls the user who is signed in now."""
        self.store.save({**self.store.load(), "external_user_id": external_user_id})


_IDENTITY = ("user_id", "environment", "region", "mode", "external_user_id")
_WORDS = {"prd": "production", "stg": "sandbox", "dev": "dev", "local": "local"}


def _read_sign_in_token(blob: str) -> tuple[str, State]:
    """The inner token and whom it is for. Reading it is routing, not trust: the server verifies."""
    try:
        token = json.loads(base64.b64decode(blob, validate=True))["user_token"] if "." not in blob else blob
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        environment, region = claims["iss"].split("@")[0].removeprefix("id-signer-").split("-")
        return token, {"user_id": claims["uid"], "environment": _WORDS[environment], "region": region}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise Refused("invalid_token", "this is no sign-in token") from None


class JunctionClient:
    """For threads. Safe to share; the store carries the session over a restart."""

    def __init__(
        self,
        base_url: str,
        *,
        store: Store | None = None,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._driver = Driver(httpx.Client(base_url=base_url, transport=transport))
        self._junction = _Junction(self._driver.http, store or MemoryStore(), now)

    @property
    def status(self) -> Status:
        """What the client is now."""
        return self._junction.status

    @property
    def user_id(self) -> str | None:
        """Who is signed in."""
        return self._junction.store.load().get("user_id")

    def sign_in(self, sign_in_token: str) -> str:
        """Trade a sign-in token for a session; the user's id.

        Raises Refused, CannotMigrate, TemporarilyUnavailable (call again with the same token).
        """
        return self._driver.run_alone(self._junction.sign_in(sign_in_token))

    def identify(self, external_user_id: str, authenticate: Callable[[str], str]) -> str:
        """Make sure that *external_user_id* is signed in; *authenticate* fetches a sign-in token from your backend.

        Call it at every launch. The user's id.
        """
        sign_out, sign_in = self._junction.plan(external_user_id)
        if sign_out:
            self.sign_out()
        if sign_in:
            self.sign_in(authenticate(external_user_id))
            self._junction.remember(external_user_id)
        return self.user_id or ""

    def reconcile(self) -> Status:
        """At launch: see whether the stored session still lives, refreshing it if its access token has run out."""
        if Status.SIGN_IN_TOKEN in self.status:
            try:
                self.access_token()
            except ClientError:
                return self.status
        return self.status

    def configure(self, api_key: str, *, environment: str, region: str) -> None:
        """API-key mode. Migrate from it by signing in with a sign-in token for the same user."""
        self._junction.configure(api_key, environment=environment, region=region)

    def set_user_id(self, user_id: str) -> None:
        """Whom the API key acts for."""
        self._junction.set_user_id(user_id)

    def sign_out(self) -> None:
        """Forget the session here and end it there."""
        self._driver.run_alone(self._junction.revoke())

    def access_token(self, stale: str | None = None) -> str:
        """A token to use now, refreshed if need be.

        Raises NotSignedIn, SignedOut, Reauthenticate, TemporarilyUnavailable.
        """
        return self._driver.run_alone(self._junction.access_token(stale))

    def is_token_refused(self, answer: httpx.Response) -> bool:
        """Whether *answer* means that the access token is no good any more."""
        return self._junction.is_token_refused(answer)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A call as the signed-in user; in API-key mode with the key."""
        if (headers := self._junction.key_headers()) is not None:
            return self._driver.http.request(method, path, headers=headers, **more)
        return self._driver.http.request(method, path, auth=BearerAuth(self), **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET as the signed-in user."""
        return self.request("GET", path, **more)

    def close(self) -> None:
        """Close the connections."""
        self._driver.http.close()

    def __enter__(self) -> JunctionClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncJunctionClient:
    """For an event loop; otherwise as `JunctionClient`."""

    def __init__(
        self,
        base_url: str,
        *,
        store: Store | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._driver = AsyncDriver(httpx.AsyncClient(base_url=base_url, transport=transport))
        self._junction = _Junction(self._driver.http, store or MemoryStore(), now)

    @property
    def status(self) -> Status:
        """What the client is now."""
        return self._junction.status

    @property
    def user_id(self) -> str | None:
        """Who is signed in."""
        return self._junction.store.load().get("user_id")

    async def sign_in(self, sign_in_token: str) -> str:
        """See JunctionClient.sign_in."""
        return await self._driver.run_alone(self._junction.sign_in(sign_in_token))

    async def identify(self, external_user_id: str, authenticate: Callable[[str], Awaitable[str]]) -> str:
        """See JunctionClient.identify."""
        sign_out, sign_in = self._junction.plan(external_user_id)
        if sign_out:
            await self.sign_out()
        if sign_in:
            await self.sign_in(await authenticate(external_user_id))
            self._junction.remember(external_user_id)
        return self.user_id or ""

    async def reconcile(self) -> Status:
        """See JunctionClient.reconcile."""
        if Status.SIGN_IN_TOKEN in self.status:
            try:
                await self.access_token()
            except ClientError:
                return self.status
        return self.status

    def configure(self, api_key: str, *, environment: str, region: str) -> None:
        """See JunctionClient.configure."""
        self._junction.configure(api_key, environment=environment, region=region)

    def set_user_id(self, user_id: str) -> None:
        """See JunctionClient.set_user_id."""
        self._junction.set_user_id(user_id)

    async def sign_out(self) -> None:
        """See JunctionClient.sign_out."""
        await self._driver.run_alone(self._junction.revoke())

    async def access_token(self, stale: str | None = None) -> str:
        """See JunctionClient.access_token."""
        return await self._driver.run_alone(self._junction.access_token(stale))

    def is_token_refused(self, answer: httpx.Response) -> bool:
        """Whether *answer* means that the access token is no good any more."""
        return self._junction.is_token_refused(answer)

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """See JunctionClient.request."""
        if (headers := self._junction.key_headers()) is not None:
            return await self._driver.http.request(method, path, headers=headers, **more)
        return await self._driver.http.request(method, path, auth=AsyncBearerAuth(self), **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """See JunctionClient.get."""
        return await self.request("GET", path, **more)

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.http.aclose()

    async def __aenter__(self) -> AsyncJunctionClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

"""An Elixir client: e-mail code, QR, refresh, sign-out.

client = ElixirClient("http://127.0.0.1:8000", key="pub_...", store=FileStore("session.json"))
transaction = client.ask_for_code("ada@example.com")
client.verify_code(transaction, "482193")
client.userinfo()
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import httpx

from gatepass.client.driving import AsyncDriver, Driver, Flow, build
from gatepass.client.errors import Banned, Refused, SignedOut, TemporarilyUnavailable
from gatepass.client.http_auth import AsyncBearerAuth, BearerAuth
from gatepass.client.session import Ended, Session, json_object, retry_after
from gatepass.client.storage import MemoryStore, State, Store

_AUTH = "/sdk/auth/v2"
_BANNED = 1130
_INVALID_CREDENTIALS = 1000


class _Elixir(Session):
    """The dialect: what is asked and what answers mean (contract elixir, sections 3 and 5)."""

    def __init__(
        self, http: httpx.Client | httpx.AsyncClient, store: Store, key: str, now: Callable[[], float] = time.time
    ) -> None:
        super().__init__(http, store, now)
        self._headers = {"x-api-key": key}

    def refresh_request(self, refresh_token: str) -> httpx.Request:
        return self._post("/session/refresh", {"refreshToken": refresh_token})

    def read_refresh(self, state: State, answer: httpx.Response) -> State:
        body = json_object(answer)
        if answer.status_code == 200:
            return {**state, **self._tokens(body["data"])}
        error = body.get("error", {})
        if error.get("code") == "INVALID_REFRESH_TOKEN":
            raise Ended({}, SignedOut("the session has ended"))
        if error.get("code") == _BANNED:
            raise Ended({}, Banned(error.get("banReason", "")))
        raise Refused(error.get("code", answer.status_code), error.get("message", ""))

    def is_token_refused(self, answer: httpx.Response) -> bool:
        if answer.status_code == 401:
            return True
        error = json_object(answer).get("error")
        return answer.status_code == 400 and isinstance(error, dict) and error.get("code") == _INVALID_CREDENTIALS

    def _post(self, path: str, body: dict[str, Any]) -> httpx.Request:
        return build(self.http, "POST", _AUTH + path, json=body, headers=self._headers)

    def _tokens(self, data: dict[str, Any]) -> State:
        """The stored form of a bundle; its life counts from now, so a wrong phone clock does no harm."""
        return {
            "access_token": data["token"],
            "refresh_token": data["refreshToken"],
            "expires_at": self.now() + data["tokenLifeMS"] / 1000,
        }

    # Flows.

    def _ask(self, path: str, body: dict[str, Any]) -> Flow[dict[str, Any]]:
        """POST without a session; the answer's data. Raises Refused, Banned, TemporarilyUnavailable."""
        try:
            answer = yield self._post(path, body)
        except httpx.TransportError:
            raise TemporarilyUnavailable from None
        assert answer is not None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise TemporarilyUnavailable(retry_after(answer, 1.0))
        return data_of(answer)

    def ask_for_code(self, email: str) -> Flow[str]:
        data = yield from self._ask("/signin/otp-login", {"email": email})
        transaction: str = data["transactionId"]
        return transaction

    def verify_code(self, transaction: str, code: str, device_model: str) -> Flow[bool]:
        body = {"transactionId": transaction, "code": code, "deviceModel": device_model}
        data = yield from self._ask("/signin/otp-verify", body)
        self.store.save(self._tokens(data))
        return bool(data["newAccount"])

    def scan(self, value: str, device_model: str) -> Flow[None]:
        data = yield from self._ask("/signin/qr-verify", {"qrValue": value, "deviceModel": device_model})
        self.store.save(self._tokens(data))

    def sign_out(self) -> Flow[None]:
        """Forget first: whatever the network does, this phone is signed out."""
        state = self.store.load()
        self.store.save({})
        if state.get("access_token"):
            headers = {**self._headers, "authorization": f"Bearer {state['access_token']}"}
            try:
                yield build(self.http, "POST", f"{_AUTH}/session/signout", json={}, headers=headers)
            except httpx.TransportError:
                return

    @property
    def headers(self) -> dict[str, str]:
        return self._headers


def data_of(answer: httpx.Response) -> dict[str, Any]:
    """The data of a success. Raises Refused, Banned."""
    body = json_object(answer)
    if answer.status_code == 200:
        data: dict[str, Any] = body["data"]
        return data
    error = body.get("error", {})
    if error.get("code") == _BANNED:
        raise Banned(error.get("banReason", ""))
    raise Refused(error.get("code", answer.status_code), error.get("message", ""))


class ElixirClient:
    """For threads. Safe to share; the store carries the session over a restart."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str,
        store: Store | None = None,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._driver = Driver(httpx.Client(base_url=base_url, transport=transport))
        self._elixir = _Elixir(self._driver.http, store or MemoryStore(), key, now)

    @property
    def is_signed_in(self) -> bool:
        """Whether a session is stored."""
        return bool(self._elixir.store.load().get("refresh_token"))

    def ask_for_code(self, email: str) -> str:
        """Have a code mailed; the transaction that it belongs to. Raises Refused, TemporarilyUnavailable."""
        return self._driver.run(self._elixir.ask_for_code(email))

    def verify_code(self, transaction: str, code: str, *, device_model: str = "") -> bool:
        """Sign in; True when the account is new. Raises Refused (wrong, expired, locked), Banned."""
        return self._driver.run_alone(self._elixir.verify_code(transaction, code, device_model))

    def scan(self, value: str, *, device_model: str = "") -> None:
        """Sign in with a scanned QR value. Raises Refused, Banned."""
        self._driver.run_alone(self._elixir.scan(value, device_model))

    def sign_out(self) -> None:
        """Forget the session here and end it there."""
        self._driver.run_alone(self._elixir.sign_out())

    def access_token(self, stale: str | None = None) -> str:
        """A token to use now, refreshed if need be. Raises NotSignedIn, SignedOut, Banned, TemporarilyUnavailable."""
        return self._driver.run_alone(self._elixir.access_token(stale))

    def is_token_refused(self, answer: httpx.Response) -> bool:
        """Whether *answer* means that the access token is no good any more."""
        return self._elixir.is_token_refused(answer)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A call as the signed-in user."""
        return self._driver.http.request(method, path, headers=self._elixir.headers, auth=BearerAuth(self), **more)

    def userinfo(self) -> dict[str, Any]:
        """The profile (S1)."""
        return data_of(self.request("GET", "/sdk/v2/userinfo"))

    def show_qr(self) -> dict[str, Any]:
        """A value to draw for another device (X1): `qrId`, `qrValue`, `expiresAt`, `lifeMS`."""
        return data_of(self.request("POST", f"{_AUTH}/account/qr"))

    def close(self) -> None:
        """Close the connections."""
        self._driver.http.close()

    def __enter__(self) -> ElixirClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncElixirClient:
    """For an event loop; otherwise as `ElixirClient`."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str,
        store: Store | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._driver = AsyncDriver(httpx.AsyncClient(base_url=base_url, transport=transport))
        self._elixir = _Elixir(self._driver.http, store or MemoryStore(), key, now)

    @property
    def is_signed_in(self) -> bool:
        """Whether a session is stored."""
        return bool(self._elixir.store.load().get("refresh_token"))

    async def ask_for_code(self, email: str) -> str:
        """See ElixirClient.ask_for_code."""
        return await self._driver.run(self._elixir.ask_for_code(email))

    async def verify_code(self, transaction: str, code: str, *, device_model: str = "") -> bool:
        """See ElixirClient.verify_code."""
        return await self._driver.run_alone(self._elixir.verify_code(transaction, code, device_model))

    async def scan(self, value: str, *, device_model: str = "") -> None:
        """See ElixirClient.scan."""
        await self._driver.run_alone(self._elixir.scan(value, device_model))

    async def sign_out(self) -> None:
        """See ElixirClient.sign_out."""
        await self._driver.run_alone(self._elixir.sign_out())

    async def access_token(self, stale: str | None = None) -> str:
        """See ElixirClient.access_token."""
        return await self._driver.run_alone(self._elixir.access_token(stale))

    def is_token_refused(self, answer: httpx.Response) -> bool:
        """Whether *answer* means that the access token is no good any more."""
        return self._elixir.is_token_refused(answer)

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """See ElixirClient.request."""
        headers, auth = self._elixir.headers, AsyncBearerAuth(self)
        return await self._driver.http.request(method, path, headers=headers, auth=auth, **more)

    async def userinfo(self) -> dict[str, Any]:
        """See ElixirClient.userinfo."""
        return data_of(await self.request("GET", "/sdk/v2/userinfo"))

    async def show_qr(self) -> dict[str, Any]:
        """See ElixirClient.show_qr."""
        return data_of(await self.request("POST", f"{_AUTH}/account/qr"))

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.http.aclose()

    async def __aenter__(self) -> AsyncElixirClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

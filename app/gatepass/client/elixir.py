"""An Elixir client: e-mail code, QR, refresh, sign-out.

client = ElixirClient("http://127.0.0.1:8000", key="pub_...", store=FileStore("session.json"))
transaction = client.ask_for_code("ada@example.com")
client.verify_code(transaction, "482193")
client.userinfo()
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx

from gatepass.client.driving import Flow, build
from gatepass.client.errors import Banned, Refused, SignedOut, TemporarilyUnavailable
from gatepass.client.session import Ended, Session, json_object, member
from gatepass.client.shells import AsyncShell, Shell
from gatepass.client.storage import State, Store

_AUTH = "/sdk/auth/v2"
_ACCOUNT_QR = f"{_AUTH}/account/qr"
_USERINFO = "/sdk/v2/userinfo"
_BANNED = 1130
_INVALID_CREDENTIALS = 1000


class _ElixirSession(Session):
    """The dialect: what is asked and what answers mean (contract elixir, sections 3 and 5)."""

    def refresh_request(self, refresh_token: str) -> httpx.Request:
        return build(self.http, "POST", f"{_AUTH}/session/refresh", json={"refreshToken": refresh_token})

    def read_refresh(self, state: State, answer: httpx.Response) -> State:
        try:
            return {**state, **self._pair_in(data_of(answer))}
        except Banned as banned:
            raise Ended({}, banned) from None
        except Refused as refused:
            if refused.code == "INVALID_REFRESH_TOKEN":
                raise Ended({}, SignedOut("the session has ended")) from None
            raise

    def is_token_refused(self, answer: httpx.Response) -> bool:
        """A ban too: no token of the session is any good after it, and the refresh, where every end is told, says so."""
        return answer.status_code == 401 or (
            answer.status_code == 400
            and member(json_object(answer).get("error")).get("code") in (_INVALID_CREDENTIALS, _BANNED)
        )

    def ask_for_code(self, email: str) -> Flow[str]:
        data = yield from self._post("/signin/otp-login", email=email)
        transaction: str = data["transactionId"]
        return transaction

    def verify_code(self, transaction: str, code: str, device_model: str) -> Flow[bool]:
        data = yield from self._post(
            "/signin/otp-verify", transactionId=transaction, code=code, deviceModel=device_model
        )
        self.store.save(self._pair_in(data))
        return bool(data["newAccount"])

    def scan(self, value: str, device_model: str) -> Flow[None]:
        data = yield from self._post("/signin/qr-verify", qrValue=value, deviceModel=device_model)
        self.store.save(self._pair_in(data))

    def sign_out(self) -> Flow[None]:
        """Forget first: whatever the network does, this phone is signed out."""
        token = self.store.load().get("access_token")
        self.store.save({})
        if token:
            bearer = {"authorization": f"Bearer {token}"}
            with suppress(httpx.RequestError):
                yield build(self.http, "POST", f"{_AUTH}/session/signout", json={}, headers=bearer)

    def _post(self, path: str, **body: str) -> Flow[dict[str, Any]]:
        """POST without a session; the answer's data. Raises Refused, Banned, TemporarilyUnavailable."""
        answer = yield from self.attempt(build(self.http, "POST", _AUTH + path, json=body))
        return data_of(answer)

    def _pair_in(self, data: dict[str, Any]) -> State:
        life = data.get("tokenLifeMS")
        return self.pair(
            data.get("token"), data.get("refreshToken"), life / 1000 if isinstance(life, int | float) else None
        )


def data_of(answer: httpx.Response) -> dict[str, Any]:
    """The data of a success. Raises Refused, Banned, TemporarilyUnavailable for an answer of no server of ours."""
    body = json_object(answer)
    if answer.status_code == 200:
        if isinstance(data := body.get("data"), dict):
            return data
        raise TemporarilyUnavailable
    error = member(body.get("error"))
    if error.get("code") == _BANNED:
        raise Banned(error.get("banReason", ""))
    raise Refused(error.get("code", answer.status_code), error.get("message", ""))


class ElixirClient(Shell[_ElixirSession]):
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
        http = httpx.Client(base_url=base_url, headers={"x-api-key": key}, transport=transport)
        super().__init__(http, _ElixirSession(http, store, now))

    @property
    def is_signed_in(self) -> bool:
        """Whether a session is stored."""
        return bool(self._session.store.load().get("refresh_token"))

    def ask_for_code(self, email: str) -> str:
        """Have a code mailed; the transaction that it belongs to. Raises Refused, TemporarilyUnavailable."""
        return self._driver.run(self._session.ask_for_code(email))

    def verify_code(self, transaction: str, code: str, *, device_model: str = "") -> bool:
        """Sign in; True when the account is new. Raises Refused (wrong, expired, locked), Banned."""
        return self._driver.run_alone(self._session.verify_code(transaction, code, device_model))

    def scan(self, value: str, *, device_model: str = "") -> None:
        """Sign in with a scanned QR value. Raises Refused, Banned."""
        self._driver.run_alone(self._session.scan(value, device_model))

    def userinfo(self) -> dict[str, Any]:
        """The profile (S1). Raises as `access_token`, and Banned."""
        return data_of(self.get(_USERINFO))

    def show_qr(self) -> dict[str, Any]:
        """A value to draw for another device (X1): `qrId`, `qrValue`, `expiresAt`, `lifeMS`."""
        return data_of(self.request("POST", _ACCOUNT_QR))


class AsyncElixirClient(AsyncShell[_ElixirSession]):
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
        http = httpx.AsyncClient(base_url=base_url, headers={"x-api-key": key}, transport=transport)
        super().__init__(http, _ElixirSession(http, store, now))

    @property
    def is_signed_in(self) -> bool:
        """Whether a session is stored."""
        return bool(self._session.store.load().get("refresh_token"))

    async def ask_for_code(self, email: str) -> str:
        """See ElixirClient.ask_for_code."""
        return await self._driver.run(self._session.ask_for_code(email))

    async def verify_code(self, transaction: str, code: str, *, device_model: str = "") -> bool:
        """See ElixirClient.verify_code."""
        return await self._driver.run_alone(self._session.verify_code(transaction, code, device_model))

    async def scan(self, value: str, *, device_model: str = "") -> None:
        """See ElixirClient.scan."""
        await self._driver.run_alone(self._session.scan(value, device_model))

    async def userinfo(self) -> dict[str, Any]:
        """See ElixirClient.userinfo."""
        return data_of(await self.get(_USERINFO))

    async def show_qr(self) -> dict[str, Any]:
        """See ElixirClient.show_qr."""
        return data_of(await self.request("POST", _ACCOUNT_QR))

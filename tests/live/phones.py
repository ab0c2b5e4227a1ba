"""Phones of both dialects that live their lives against a server in trouble, and write down what they are told.

A phone does what `docs/clients.md` asks of one: it stores a pair before it uses it, sends its stored token again until an
answer comes, and believes no fault. It is only less patient than a real one, so that the moment of recovery is seen.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from harness import ADMIN_TOKEN, LOGIN, REFRESH, SIGN_OUT, USERINFO, VERIFY
from ledger import Ended, Ledger

TOKEN, REVOKE, USERS = "/v1/token", "/v1/revoke", "/v2/user"
EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:junction:sign-in-token",
}
PAUSE = (0.05, 0.25)
"""Seconds between two tries of a phone that met a fault."""
Send = Callable[[], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Deployment:
    """What a phone, its backend and an operator know of the server."""

    url: str
    team_id: str
    publishable_key: str
    secret_key: str


class Phone(ABC):
    """One device, and the tokens it stores."""

    surface: str

    def __init__(self, name: str, deployment: Deployment, http: httpx.AsyncClient, ledger: Ledger) -> None:
        self.name = name
        self.deployment = deployment
        self.http = http
        self.ledger = ledger
        self.user_id = ""
        self.access_token = ""
        self.refresh_token = ""
        self.unsure = False
        """Whether the last call was sent more than once: an earlier one may have been carried out."""

    async def insist(self, verb: str, send: Send) -> httpx.Response:
        """Send until something comes that is no fault of the server's."""
        self.unsure = False
        while True:
            began = time.monotonic()
            try:
                answer = await send()
            except httpx.TransportError as error:
                self.ledger.drop(verb, error, began)
            else:
                if answer.status_code == 200:
                    self.ledger.acknowledge(verb, began)
                if answer.status_code < 500:
                    return answer
                self.ledger.fault(verb, answer, began)
            self.unsure = True
            await asyncio.sleep(random.uniform(*PAUSE))

    async def refresh(self) -> None:
        answer = await self.insist("refresh", lambda: self.ask_for_refresh(self.refresh_token))
        if answer.status_code == 200:
            self.store(answer)
        else:
            self.ledger.refuse("refresh", self.name, answer)

    async def use(self) -> None:
        answer = await self.insist("use", lambda: self.ask_who_i_am(self.access_token))
        if answer.status_code != 200:
            self.ledger.refuse("use", self.name, answer)

    async def be_revoked(self) -> None:
        """An operator ends all sessions of this phone's user."""
        path = f"/admin/v1/teams/{self.deployment.team_id}/users/{self.user_id}/sessions"
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = await self.insist("revoke", lambda: self.http.delete(path, headers=headers))
        if answer.status_code != 200:
            self.ledger.refuse("revoke", self.name, answer)
        self._ended("revoked")

    async def sign_out(self) -> None:
        answer = await self.insist("sign-out", self.ask_to_be_signed_out)
        if answer.status_code != 200 and not self.unsure:
            self.ledger.refuse("sign-out", self.name, answer)
        self._ended("signed out")

    def _ended(self, how: str) -> None:
        self.ledger.ended.append(Ended(self.name, self.surface, how, self.refresh_token, self.access_token))

    async def present_dead(self, ended: Ended) -> None:
        """Try what an ended session has left; neither token may open anything."""
        for verb, send in (
            ("dead refresh", lambda: self.ask_for_refresh(ended.refresh_token)),
            ("dead use", lambda: self.ask_who_i_am(ended.access_token)),
        ):
            answer = await self._quietly(send)
            self.ledger.answers[f"{verb} {answer.status_code}"] += 1
            if answer.status_code not in (400, 401):
                self.ledger.violations.append(f"{verb}: {ended.phone}, {ended.how}, got {answer.status_code}")

    async def _quietly(self, send: Send) -> httpx.Response:
        while True:
            try:
                answer = await send()
            except httpx.TransportError:
                pass
            else:
                if answer.status_code < 500:
                    return answer
            await asyncio.sleep(random.uniform(*PAUSE))

    @abstractmethod
    async def sign_in(self) -> None: ...
    @abstractmethod
    async def ask_for_refresh(self, token: str) -> httpx.Response: ...
    @abstractmethod
    async def ask_who_i_am(self, token: str) -> httpx.Response: ...
    @abstractmethod
    async def ask_to_be_signed_out(self) -> httpx.Response: ...
    @abstractmethod
    def store(self, answer: httpx.Response) -> None: ...


class ElixirPhone(Phone):
    """Signs in with an e-mailed code, which a development key is shown."""

    surface = "elixir"

    async def sign_in(self) -> None:
        """A code is spent by a commit whose answer may be lost; then the user asks for another one."""
        while True:
            asked = await self.insist("ask for code", lambda: self._post(LOGIN, {"email": f"{self.name}@example.com"}))
            if asked.status_code != 200:
                return self.ledger.refuse("ask for code", self.name, asked)
            data = asked.json()["data"]
            body = {"transactionId": data["transactionId"], "code": data["userCode"]}
            answer = await self.insist("sign-in", lambda: self._post(VERIFY, body))  # noqa: B023
            if answer.status_code == 200:
                self.user_id = answer.json()["data"]["user"]["_id"]
                return self.store(answer)
            if not self.unsure:
                return self.ledger.refuse("sign-in", self.name, answer)
            self.ledger.answers["sign-in again"] += 1

    async def ask_for_refresh(self, token: str) -> httpx.Response:
        return await self._post(REFRESH, {"refreshToken": token})

    async def ask_who_i_am(self, token: str) -> httpx.Response:
        return await self.http.get(USERINFO, headers=self._headers(token))

    async def ask_to_be_signed_out(self) -> httpx.Response:
        return await self.http.post(SIGN_OUT, json={}, headers=self._headers(self.access_token))

    def store(self, answer: httpx.Response) -> None:
        data = answer.json()["data"]
        self.access_token, self.refresh_token = data["token"], data["refreshToken"]

    async def _post(self, path: str, body: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"x-api-key": self.deployment.publishable_key})

    def _headers(self, token: str) -> dict[str, str]:
        return {"x-api-key": self.deployment.publishable_key, "authorization": f"Bearer {token}"}


class JunctionPhone(Phone):
    """Signs in with a token that its backend asks for."""

    surface = "junction"

    async def sign_in(self) -> None:
        if self.user_id or await self._become_known():
            vouched = await self.insist("mint", lambda: self._as_backend(f"{USERS}/{self.user_id}/sign_in_token"))
            if vouched.status_code != 200:
                return self.ledger.refuse("mint", self.name, vouched)
            form = {**EXCHANGE, "subject_token": vouched.json()["sign_in_token"]}
            answer = await self.insist("exchange", lambda: self.http.post(TOKEN, data=form))
            if answer.status_code != 200:
                return self.ledger.refuse("exchange", self.name, answer)
            self.store(answer)
        return None

    async def _become_known(self) -> bool:
        """Have a user made. One that an unheard answer told of is named by the conflict."""
        made = await self.insist("create user", lambda: self._as_backend(USERS, {"client_user_id": self.name}))
        user = made.json()["detail"] if made.status_code == 400 and self.unsure else made.json()
        if "user_id" not in user:
            self.ledger.refuse("create user", self.name, made)
            return False
        self.user_id = user["user_id"]
        return True

    async def ask_for_refresh(self, token: str) -> httpx.Response:
        return await self.http.post(TOKEN, data={"grant_type": "refresh_token", "refresh_token": token})

    async def ask_who_i_am(self, token: str) -> httpx.Response:
        return await self.http.get(f"{USERS}/{self.user_id}", headers={"authorization": f"Bearer {token}"})

    async def ask_to_be_signed_out(self) -> httpx.Response:
        return await self.http.post(REVOKE, data={"token": self.refresh_token})

    def store(self, answer: httpx.Response) -> None:
        pair = answer.json()
        self.access_token, self.refresh_token = pair["access_token"], pair["refresh_token"]

    async def _as_backend(self, path: str, body: Any = None) -> httpx.Response:
        return await self.http.post(path, json=body, headers={"x-vital-api-key": self.deployment.secret_key})

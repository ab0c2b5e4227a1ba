"""Four dialects of one session: how each signs in, refreshes, calls and signs out, and how it spells each outcome."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar
from uuid import UUID

import httpx

from backend import EXCHANGE, REVOKE, TOKEN, USERS, Backend, new_backend
from gatepass.core import sessions, sign_in_jwt
from gatepass.core.sessions import Session
from harness import REFRESH, SIGN_OUT, USERINFO, Server

GOOGLE = {"key": "any"}
"""The query that Google's clients send with every call."""


class Outcome(Enum):
    """What a phone can be told. A dialect may spell two of them alike, but never a fault of ours like an end."""

    OK = auto()
    ENDED = auto()
    """The session is over or never was: sign in again."""
    STALE = auto()
    """The access token ran out: refresh. Told to calls only."""
    BANNED = auto()
    DELETED = auto()
    LATER = auto()
    """A fault of ours: keep the session and come back."""


Words = tuple[int, Any]
"""An HTTP status, and what in the body a client decides by (None with a 200)."""
OK: Words = (200, None)


@dataclass
class Device:
    """What one phone stores, and what it does in its dialect. Each call returns the words that it got."""

    dialect: Dialect
    user_id: str
    refresh_token: str
    access_token: str

    async def refresh(self, token: str | None = None) -> Words:
        """Refresh with *token*, by default the stored one, and store the pair that comes."""
        answer = await self.dialect.refresh(token or self.refresh_token)
        if answer.status_code == 200:
            self.refresh_token, self.access_token = self.dialect.tokens(answer.json())
        return self.dialect.heard(answer)

    async def lose_a_refresh(self) -> str:
        """The server commits, the phone hears nothing. The successor that it would have stored."""
        answer = await self.dialect.refresh(self.refresh_token)
        assert answer.status_code == 200, answer.text
        return self.dialect.tokens(answer.json())[0]

    async def call(self) -> Words:
        """The plainest call with the access token, which also proves that the last pair arrived."""
        return self.dialect.heard(await self.dialect.call(self))

    async def sign_out(self) -> Words:
        return self.dialect.heard(await self.dialect.sign_out(self))


class Dialect(ABC):
    """One dialect on one server: how it does what all of them do."""

    refreshed: ClassVar[Mapping[Outcome, Words]]
    called: ClassVar[Mapping[Outcome, Words]]
    """How it spells the outcomes of a refresh, and of a call."""

    def __init__(self, server: Server) -> None:
        self.server = server

    @abstractmethod
    async def sign_in(self, person: str = "ada") -> Device:
        """A new device of *person*, a user that is made on the first sign-in."""

    @abstractmethod
    async def refresh(self, token: str) -> httpx.Response: ...

    @abstractmethod
    async def call(self, device: Device) -> httpx.Response: ...

    @abstractmethod
    async def sign_out(self, device: Device) -> httpx.Response: ...

    def tokens(self, body: Any) -> tuple[str, str]:
        """The refresh and the access token in an answer."""
        return body["refresh_token"], body["access_token"]

    @abstractmethod
    def word(self, body: Any) -> Any:
        """What a client decides by, in a refusal's body."""

    def heard(self, answer: httpx.Response) -> Words:
        """The words of *answer*; one that says "later" says when."""
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
        return OK if answer.status_code == 200 else (answer.status_code, self.word(answer.json()))


class Elixir(Dialect):
    """A code by e-mail; sessions of a surface of their own."""

    refreshed: ClassVar = {
        Outcome.ENDED: (400, "INVALID_REFRESH_TOKEN"),
        Outcome.BANNED: (400, 1130),
        Outcome.DELETED: (400, "INVALID_REFRESH_TOKEN"),
        Outcome.LATER: (503, 1191),
    }
    called: ClassVar = {
        Outcome.ENDED: (400, 1000),
        Outcome.STALE: (400, 1000),
        Outcome.BANNED: (400, 1130),
        Outcome.DELETED: (400, 1000),
        Outcome.LATER: (503, 1191),
    }

    async def sign_in(self, person: str = "ada") -> Device:
        phone = await self.server.sign_in(f"{person}@example.com")
        return Device(self, phone.bundle["user"]["_id"], *self.tokens({"data": phone.bundle}))

    async def refresh(self, token: str) -> httpx.Response:
        return await self.server.post(REFRESH, {"refreshToken": token})

    async def call(self, device: Device) -> httpx.Response:
        headers = {"x-api-key": self.server.development_key, **bearer(device)}
        return await self.server.client.get(USERINFO, headers=headers)

    async def sign_out(self, device: Device) -> httpx.Response:
        return await self.server.post(SIGN_OUT, {}, headers=bearer(device))

    def tokens(self, body: Any) -> tuple[str, str]:
        return body["data"]["refreshToken"], body["data"]["token"]

    def word(self, body: Any) -> Any:
        return body["error"]["code"]


class _WithSignInTokens(Dialect):
    """What begins with a sign-in token from the team's own server."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._backend: Backend | None = None
        self._people: dict[str, str] = {}

    async def sign_in(self, person: str = "ada") -> Device:
        backend = self._backend = self._backend or await new_backend(self.server, team=self.server.team)
        if person not in self._people:
            self._people[person] = (await backend.create_user(person))["user_id"]
        user_id = self._people[person]
        answer = await self.exchange(await backend.sign_in_token(user_id))
        assert answer.status_code == 200, answer.text
        return Device(self, user_id, *self.tokens(answer.json()))

    @abstractmethod
    async def exchange(self, sign_in_token: str) -> httpx.Response: ...

    async def _post(self, path: str, **form: str) -> httpx.Response:
        return await self.server.client.post(path, data=form)


class Junction(_WithSignInTokens):
    """A stock mobile SDK."""

    refreshed: ClassVar = {
        Outcome.ENDED: (400, "reauthentication_required"),
        Outcome.BANNED: (400, "invalid_token"),
        Outcome.DELETED: (400, "invalid_token"),
        Outcome.LATER: (503, "Temporarily unavailable."),
    }
    called: ClassVar = {
        Outcome.ENDED: (401, "invalid token"),
        Outcome.STALE: (401, "invalid token"),
        Outcome.BANNED: (401, "invalid token"),
        Outcome.DELETED: (401, "invalid token"),
        Outcome.LATER: (503, "Temporarily unavailable"),
    }

    async def exchange(self, sign_in_token: str) -> httpx.Response:
        return await self._post(TOKEN, **EXCHANGE, subject_token=sign_in_token)

    async def refresh(self, token: str) -> httpx.Response:
        return await self._post(TOKEN, grant_type="refresh_token", refresh_token=token)

    async def call(self, device: Device) -> httpx.Response:
        return await self.server.client.get(f"{USERS}/{device.user_id}", headers=bearer(device))

    async def sign_out(self, device: Device) -> httpx.Response:
        return await self._post(REVOKE, token=device.refresh_token)

    def word(self, body: Any) -> Any:
        detail = body["detail"]
        return detail["error_type"] if isinstance(detail, dict) else detail


class OAuth(_WithSignInTokens):
    """Any client that follows the RFCs."""

    refreshed: ClassVar = {
        Outcome.ENDED: (400, "invalid_grant"),
        Outcome.BANNED: (400, "invalid_grant"),
        Outcome.DELETED: (400, "invalid_grant"),
        Outcome.LATER: (503, "temporarily_unavailable"),
    }
    called: ClassVar = {
        Outcome.ENDED: (401, "invalid_token"),
        Outcome.STALE: (401, "invalid_token"),
        Outcome.BANNED: (401, "invalid_token"),
        Outcome.DELETED: (401, "invalid_token"),
        Outcome.LATER: (503, "temporarily_unavailable"),
    }

    async def exchange(self, sign_in_token: str) -> httpx.Response:
        return await self._post("/oauth/token", **EXCHANGE, subject_token=sign_in_token)

    async def refresh(self, token: str) -> httpx.Response:
        return await self._post("/oauth/token", grant_type="refresh_token", refresh_token=token)

    async def call(self, device: Device) -> httpx.Response:
        return await self.server.client.get("/userinfo", headers=bearer(device))

    async def sign_out(self, device: Device) -> httpx.Response:
        return await self._post("/oauth/revoke", token=device.refresh_token)

    def word(self, body: Any) -> Any:
        return body["error"]


class Firebase(_WithSignInTokens):
    """Google's clients at an emulator, and mobile SDKs of before October 2025; whoever signs out does it by RFC 7009."""

    refreshed: ClassVar = {
        Outcome.ENDED: (400, "TOKEN_EXPIRED"),
        Outcome.BANNED: (400, "USER_DISABLED"),
        Outcome.DELETED: (400, "USER_NOT_FOUND"),
        Outcome.LATER: (503, "UNAVAILABLE"),
    }
    called: ClassVar = {
        Outcome.ENDED: (400, "TOKEN_EXPIRED"),
        Outcome.STALE: (400, "INVALID_ID_TOKEN"),  # the other word signs Google's clients out
        Outcome.BANNED: (400, "USER_DISABLED"),
        Outcome.DELETED: (400, "TOKEN_EXPIRED"),
        Outcome.LATER: (503, "UNAVAILABLE"),
    }

    async def exchange(self, sign_in_token: str) -> httpx.Response:
        return await self._call("accounts:signInWithCustomToken", token=sign_in_jwt.unwrap(sign_in_token))

    async def refresh(self, token: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await self.server.client.post("/securetoken.googleapis.com/v1/token", params=GOOGLE, data=form)

    async def call(self, device: Device) -> httpx.Response:
        return await self._call("accounts:lookup", idToken=device.access_token)

    async def sign_out(self, device: Device) -> httpx.Response:
        return await self._post(REVOKE, token=device.refresh_token)

    async def _call(self, method: str, **body: Any) -> httpx.Response:
        path = f"/identitytoolkit.googleapis.com/v1/{method}"
        return await self.server.client.post(path, params=GOOGLE, json={**body, "returnSecureToken": True})

    def tokens(self, body: Any) -> tuple[str, str]:
        return (body["refreshToken"], body["idToken"]) if "idToken" in body else super().tokens(body)

    def word(self, body: Any) -> Any:
        return body["error"]["message"]


async def row_of(device: Device) -> Session:
    """The one session of its user, as it is stored."""
    server, user_id = device.dialect.server, UUID(device.user_id)
    (row,) = await server.runtime.read(lambda unit: sessions.list_of_user(unit, server.team.id, user_id))
    return row


def bearer(device: Device) -> dict[str, str]:
    return {"authorization": f"Bearer {device.access_token}"}


ALL: tuple[type[Dialect], ...] = (Elixir, Junction, OAuth, Firebase)

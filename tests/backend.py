"""A customer's backend and its mobile app, as Junction's callers: what the tests of that dialect speak through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from gatepass.core import api_keys, sessions, teams
from gatepass.core.api_keys import Kind
from gatepass.core.sessions import Session
from gatepass.core.teams import Region, Team, TeamEnvironment
from gatepass.core.unit import Unit
from harness import Server

USERS = "/v2/user"
TOKEN = "/v1/token"
LOCAL_TOKEN = "/auth/v1/token"
REVOKE = "/v1/revoke"
EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:junction:sign-in-token",
}


@dataclass
class MobileApp:
    """One phone: the pair it stores, and the calls it makes. *headers* go with each, such as an SDK's version."""

    server: Server
    tokens: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def user_id(self) -> str:
        return str(self.tokens["user_id"])

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens['access_token']}", **self.headers}

    async def refresh(self, token: str | None = None, *, path: str = TOKEN, keep: bool = True) -> httpx.Response:
        """Refresh with *token*, by default the stored one, and store what comes back; not so when the answer is lost."""
        form = {"grant_type": "refresh_token", "refresh_token": token or self.tokens["refresh_token"]}
        answer = await self.server.client.post(path, data=form, headers=self.headers)
        if answer.status_code == 200 and keep:
            self.tokens = answer.json()
        return answer

    async def read(self, user_id: str | None = None) -> httpx.Response:
        """J3, by default of the user itself: which also proves that the last pair arrived."""
        return await self.server.client.get(f"{USERS}/{user_id or self.user_id}", headers=self.bearer)

    async def session(self) -> Session:
        """The newest session row behind this phone's user."""
        (newest, *_) = await sessions_of(self.server, self.user_id)
        return newest


@dataclass
class Backend:
    """A server of one team's, with a secret key."""

    server: Server
    team: Team
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"x-vital-api-key": self.key}

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Any call with the key; *body* as JSON if given."""
        sent = {"json": body} if body is not None else {}
        return await self.server.client.request(method, path, headers={**self.headers, **headers}, **sent)

    async def create_user(self, client_user_id: str = "member-1", **profile: Any) -> dict[str, Any]:
        """J1; the user object."""
        answer = await self.call("POST", USERS, {"client_user_id": client_user_id, **profile})
        assert answer.status_code == 200, answer.text
        user: dict[str, Any] = answer.json()
        return user

    async def sign_in_token(self, user_id: str) -> str:
        """J8; the token for the app."""
        answer = await self.call("POST", f"{USERS}/{user_id}/sign_in_token")
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["sign_in_token"]
        return token

    async def exchange(self, sign_in_token: str, *, path: str = TOKEN, **headers: str) -> httpx.Response:
        """What the app does with it."""
        return await self.server.client.post(path, data={**EXCHANGE, "subject_token": sign_in_token}, headers=headers)

    async def sign_in(self, user_id: str | None = None, **headers: str) -> MobileApp:
        """A phone signed in, by default as a new user."""
        user_id = user_id or (await self.create_user())["user_id"]
        answer = await self.exchange(await self.sign_in_token(user_id), **headers)
        assert answer.status_code == 200, answer.text
        return MobileApp(self.server, answer.json(), headers)


async def new_backend(
    server: Server,
    *,
    region: Region = Region.EU,
    environment: TeamEnvironment = TeamEnvironment.SANDBOX,
    team: Team | None = None,
) -> Backend:
    """A backend of *team*, by default of a new one."""

    async def make(unit: Unit) -> tuple[Team, str]:
        of_whom = team or await teams.create(unit, "Acme", region=region, environment=environment)
        return of_whom, (await api_keys.create(unit, of_whom.id, Kind.SECRET)).text

    made, key = await server.runtime.transact(make)
    return Backend(server, made, key)


async def sessions_of(server: Server, user_id: str) -> list[Session]:
    """A user's sessions, newest first."""

    async def work(unit: Unit) -> list[Session]:
        found = await unit.db.execute(
            sessions.sessions.select()
            .where(sessions.sessions.c.user_id == UUID(user_id))
            .order_by(sessions.sessions.c.id.desc())
        )
        return [sessions.of(row._mapping) for row in found]

    return await server.runtime.read(work)

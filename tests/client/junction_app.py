"""An app on a phone over Junction, as its tests drive it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from backend import USERS, Backend, sessions_of
from gatepass.client import AsyncJunctionClient, Status, Store
from gatepass.core import sessions, user_deletion
from gatepass.core.sessions import Cause
from harness import Server
from network import Network

HOUR = 3600
CONFIGURED_AND_SIGNED_IN = Status.CONFIGURED | Status.SIGNED_IN
WITH_A_TOKEN = CONFIGURED_AND_SIGNED_IN | Status.SIGN_IN_TOKEN
WITH_A_KEY = CONFIGURED_AND_SIGNED_IN | Status.API_KEY


@dataclass
class App:
    """An app on a phone: its client, its keychain, its network, and the backend that vouches for its users."""

    backend: Backend
    client: AsyncJunctionClient
    store: Store
    network: Network
    asked: list[str] = field(default_factory=list)

    @property
    def server(self) -> Server:
        return self.backend.server

    def wait(self, seconds: float) -> None:
        self.server.clock.advance(seconds=seconds)

    def relaunch(self) -> AsyncJunctionClient:
        """The same store under a new client, as after a restart of the app."""
        return client_of(self.server, self.store, self.network)

    async def user(self, name: str = "ada") -> str:
        user_id: str = (await self.backend.create_user(name))["user_id"]
        return user_id

    async def authenticate(self, external_user_id: str) -> str:
        """What an app's own backend does: find or make the user, and ask for a sign-in token."""
        self.asked.append(external_user_id)
        found = await self.backend.call("GET", f"{USERS}/resolve/{external_user_id}")
        user_id = found.json()["user_id"] if found.status_code == 200 else await self.user(external_user_id)
        return await self.backend.sign_in_token(user_id)

    async def sign_in(self) -> str:
        user_id = await self.user()
        await self.client.sign_in(await self.backend.sign_in_token(user_id))
        return user_id

    async def end(self, cause: Cause) -> None:
        """End every session of whoever is signed in, by that cause."""
        for session in await sessions_of(self.server, self.client.user_id or ""):
            await self.server.runtime.transact(lambda unit, id=session.id: sessions.end(unit, id, cause))

    async def delete_user(self) -> None:
        user_id = UUID(self.client.user_id or "")
        await self.server.runtime.transact(lambda unit: user_deletion.delete_user(unit, self.backend.team.id, user_id))

    async def reads_itself(self) -> bool:
        answer = await self.client.get(f"{USERS}/{self.client.user_id}")
        return answer.status_code == 200 and answer.json()["user_id"] == (self.client.user_id or "").lower()


def client_of(server: Server, store: Store, network: Network) -> AsyncJunctionClient:
    return AsyncJunctionClient(
        "http://gatepass.test", store=store, transport=network, now=lambda: server.clock.now() / 1000
    )

"""A test's author at the control plane, and the apps of the worlds made there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx

from backend import EXCHANGE, LOCAL_TOKEN, MobileApp
from gatepass.adapters.clock import ManualClock
from gatepass.adapters.worlds import Worlds, WorldWorker
from harness import ADMIN_TOKEN, LOGIN, VERIFY, Phone, Server, serve

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}


@dataclass
class World:
    """One world: its keys, and what its author and its apps do there."""

    plane: Plane
    team_id: str
    secret_key: str
    publishable_key: str
    production_publishable_key: str

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call of the control plane that names this world."""
        return await self.plane.call(method, f"/worlds/{self.team_id}{path}", body)

    async def mint(self, what: str, **wanted: Any) -> dict[str, Any]:
        """Any state."""
        answer = await self.call("POST", f"/{what}", wanted)
        assert answer.status_code == 201, answer.text
        minted: dict[str, Any] = answer.json()
        return minted

    async def advance(self, seconds: float) -> dict[str, Any]:
        """Let time pass here."""
        answer = await self.call("POST", "/clock/advance", {"seconds": seconds})
        assert answer.status_code == 200, answer.text
        clock: dict[str, Any] = answer.json()
        return clock

    async def stand(self, at: str = "2026-05-01T12:00:00Z") -> None:
        """Stop the clock."""
        answer = await self.call("PUT", "/clock", {"at": at})
        assert answer.status_code == 200, answer.text

    async def post(self, path: str, body: Any) -> httpx.Response:
        """An Elixir call with the development key."""
        return await self.plane.server.post(path, body, key=self.publishable_key)

    async def ask_for_code(self, email: str = "ada@example.com") -> dict[str, Any]:
        answer = await self.post(LOGIN, {"email": email})
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def sign_in(self, email: str = "ada@example.com") -> Phone:
        """E1 and E2."""
        asked = await self.ask_for_code(email)
        answer = await self.post(VERIFY, {"transactionId": asked["transactionId"], "code": asked["userCode"]})
        assert answer.status_code == 200, answer.text
        return Phone(self.plane.server, self.publishable_key, answer.json()["data"])

    def phone(self, minted: dict[str, Any]) -> Phone:
        """A phone that holds a minted Elixir session."""
        bundle = {"token": minted["access_token"], "refreshToken": minted["refresh_token"]}
        return Phone(self.plane.server, self.publishable_key, bundle)

    def app(self, minted: dict[str, Any]) -> MobileApp:
        """An app that holds a minted Junction session."""
        return MobileApp(self.plane.server, minted)

    async def exchange(self, sign_in_token: str) -> httpx.Response:
        """Junction's exchange, which carries no key."""
        form = {**EXCHANGE, "subject_token": sign_in_token}
        return await self.plane.client.post(LOCAL_TOKEN, data=form)

    async def messages(self, **query: str) -> list[dict[str, Any]]:
        """The inbox."""
        path = f"/_test/worlds/{self.team_id}/messages"
        answer = await self.plane.client.get(path, params=query, headers=ADMIN)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    async def wait(self, **query: Any) -> httpx.Response:
        """The long poll."""
        path = f"/_test/worlds/{self.team_id}/messages/wait"
        return await self.plane.client.get(path, params=query, headers=ADMIN)


@dataclass
class Plane:
    """The control plane of a server in test mode."""

    server: Server

    @property
    def client(self) -> httpx.AsyncClient:
        return self.server.client

    @property
    def worlds(self) -> Worlds:
        worlds: Worlds = self.server.app.state.worlds
        return worlds

    @property
    def clock(self) -> ManualClock:
        """The server's."""
        return cast(ManualClock, self.worlds.clock.server)

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        sent = {"json": body} if body is not None else {}
        return await self.client.request(method, f"/_test{path}", headers=ADMIN, **sent)

    async def make(self, **wanted: Any) -> World:
        """A world."""
        answer = await self.call("POST", "/worlds", wanted)
        assert answer.status_code == 201, answer.text
        return World(self, **answer.json())

    def worker(self) -> WorldWorker:
        """The worker that the server would run."""
        runtime = self.server.runtime
        return WorldWorker(runtime.transact, self.server.app.state.postman, runtime.outbox_waits, self.worlds)

    async def deliver(self) -> None:
        """Let the worker deliver what is due."""
        while await self.worker().drain():
            pass


@asynccontextmanager
async def in_test_mode(database_url: str, **given: Any) -> AsyncIterator[Plane]:
    """A server in test mode."""
    async with serve(database_url, test_mode=True, **given) as server:
        plane = Plane(server)
        yield plane
        assert (await plane.call("POST", "/reset")).status_code == 204

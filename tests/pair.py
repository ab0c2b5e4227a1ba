"""Two server processes on one database, a fresh team, and a runtime of the test's own to look behind them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import ColumnElement, func, select

from gatepass.core import api_keys, teams
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.sessions import sessions
from gatepass.core.unit import Unit
from gatepass.wiring import Runtime
from harness import LOGIN, VERIFY, settings
from processes import Process

MANY = 50


@dataclass
class Pair:
    """Calls spread over both processes, in the name of one team."""

    processes: list[Process]
    runtime: Runtime
    client: httpx.AsyncClient
    team_id: UUID
    key: str

    async def post(self, path: str, body: Any, *, at: int = 0, bearer: str | None = None) -> httpx.Response:
        """POST to process number *at*."""
        headers = {"x-api-key": self.key} | ({"authorization": f"Bearer {bearer}"} if bearer else {})
        url = self.processes[at % len(self.processes)].url
        return await self.client.post(url + path, json=body, headers=headers)

    async def at_once(self, path: str, *bodies: Any) -> list[httpx.Response]:
        """All of *bodies* in parallel, every other one to the other process."""
        return list(await asyncio.gather(*(self.post(path, body, at=at) for at, body in enumerate(bodies))))

    async def ask(self, email: str) -> dict[str, str]:
        """Ask for a code; the body that verifies it."""
        asked = (await self.post(LOGIN, {"email": email})).json()["data"]
        return {"transactionId": asked["transactionId"], "code": asked["userCode"]}

    async def sign_in(self, email: str) -> dict[str, Any]:
        """Ask for a code and verify it; the token bundle."""
        bundle: dict[str, Any] = (await self.post(VERIFY, await self.ask(email))).json()["data"]
        return bundle

    async def sessions(self, *conditions: ColumnElement[bool]) -> int:
        """How many sessions of the team meet *conditions*."""

        async def count(unit: Unit) -> int:
            query = select(func.count()).select_from(sessions).where(sessions.c.team_id == self.team_id, *conditions)
            return await unit.db.scalar(query) or 0

        return await self.runtime.read(count)


@asynccontextmanager
async def pair_on(database_url: str, processes: list[Process]) -> AsyncIterator[Pair]:
    """The processes with a team of their own for one test."""
    runtime = Runtime(settings(database_url))

    async def make(unit: Unit) -> tuple[UUID, str]:
        team = await teams.create(unit, "Racers")
        key = await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.DEVELOPMENT)
        return team.id, key.text

    limits = httpx.Limits(max_connections=2 * MANY, max_keepalive_connections=2 * MANY)
    try:
        async with httpx.AsyncClient(timeout=30, limits=limits, trust_env=False) as client:
            yield Pair(processes, runtime, client, *await runtime.transact(make))
    finally:
        await runtime.close()


def outcomes(answers: list[httpx.Response]) -> Counter[Any]:
    """How often each came: 200, or the code of the error."""
    return Counter(200 if answer.status_code == 200 else answer.json()["error"]["code"] for answer in answers)

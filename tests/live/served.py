"""`gatepass serve` as an operator starts it, on a database of its own, with a team and phones; and what it weighs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio

import commands
from commands import Running
from gatepass.adapters import migrations
from gatepass.adapters.database import Database
from gatepass.core import api_keys, teams
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.unit import Unit
from gatepass.wiring import Runtime
from harness import LOGIN, NO_LIMITS, REFRESH, SECRET, VERIFY, settings
from postgres import free_port

MB = 1024 * 1024


@dataclass
class Answer:
    """Status, headers (lower case) and body of one answer, and the seconds it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    took: float

    @property
    def data(self) -> Any:
        return json.loads(self.body)["data"]


@dataclass
class Served:
    """A running server: where it is, and a runtime of the test's own to look behind it."""

    port: int
    running: Running
    runtime: Runtime
    team_id: UUID
    key: str
    took: list[float] = field(default_factory=list)

    async def call(self, path: str, body: Any = None, *, bearer: str | None = None) -> Answer:
        """POST *body* as JSON (without one: GET) on a connection of its own, as a phone does that woke up."""
        began = time.perf_counter()
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: {self.key}\r\n"
        head += f"authorization: Bearer {bearer}\r\n" if bearer else ""
        head += f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(head.encode() + content)
            said = await reader.read()
        finally:
            writer.close()
        head_said, _, body_said = said.partition(b"\r\n\r\n")
        status, *lines = head_said.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(status.split()[1]), headers, body_said, time.perf_counter() - began)

    async def sign_in(self, email: str) -> dict[str, Any]:
        """E1 and E2; the token bundle."""
        asked = (await self.call(LOGIN, {"email": email})).data
        bundle: dict[str, Any] = (
            await self.call(VERIFY, {"transactionId": asked["transactionId"], "code": asked["userCode"]})
        ).data
        return bundle

    async def refresh_for_ever(self, token: str, pause: float) -> None:
        """A healthy phone in a hurry: every answer must be a 200, and the time it took is kept."""
        while True:
            answer = await self.call(REFRESH, {"refreshToken": token})
            assert answer.status == 200, answer.body
            token = answer.data["refreshToken"]
            self.took.append(answer.took)
            await asyncio.sleep(pause)

    def weight(self) -> int:
        """Bytes of memory that the server's processes hold (Linux: resident, shared parts counted once per process)."""
        return sum(resident(pid) for pid in _family(self.running.process.pid))


def _family(pid: int) -> list[int]:
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [pid, *(member for child in children for member in _family(child))]


def resident(pid: int) -> int:
    """Bytes of memory that one process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def percentile(took: list[float], share: float) -> float:
    """The time within which *share* of the calls were answered, in seconds."""
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@asynccontextmanager
async def served(database_url: str, directory: Path, *options: str, **given: Any) -> AsyncIterator[Served]:
    """`gatepass serve` with *options* on a fresh database, limits off unless *given*."""
    database = Database(database_url)
    await migrations.up(database)
    await database.dispose()
    runtime = Runtime(settings(database_url))

    async def make(unit: Unit) -> tuple[UUID, str]:
        team = await teams.create(unit, "Acme")
        return team.id, (await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.DEVELOPMENT)).text

    team_id, key = await runtime.transact(make)
    port = free_port()
    environment = {
        "secret_key": SECRET,
        "database_url": database_url,
        "smtp_url": "smtp://127.0.0.1:9",
        "public_url": f"http://127.0.0.1:{port}",
        "expose_user_code": "true",
        **{name: str(value) for name, value in (NO_LIMITS | given).items()},
    }
    try:
        with commands.serve(directory, port, *options, **environment) as running:
            yield Served(port, running, runtime, team_id, key)
            await anyio.to_thread.run_sync(running.stop)
    finally:
        with suppress(Exception):
            await runtime.close()

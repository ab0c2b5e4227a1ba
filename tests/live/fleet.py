"""`gatepass serve` as it stands in production: a supervisor and its workers, on a database with one team."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import commands
from commands import Running
from gatepass.adapters import migrations
from gatepass.core import api_keys, teams
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.unit import Unit
from gatepass.settings import Settings
from gatepass.wiring import Runtime
from harness import ADMIN_TOKEN, NO_LIMITS, SECRET
from phones import Deployment


def settings_for(database_url: str, port: int, **given: str) -> dict[str, str]:
    """Settings as `gatepass serve` takes them; mail goes nowhere, and codes are read from the answers."""
    return {
        "secret_key": SECRET,
        "database_url": database_url,
        "public_url": f"http://127.0.0.1:{port}",
        "smtp_url": "smtp://127.0.0.1:9",
        "admin_token": ADMIN_TOKEN,
        "expose_user_code": "true",
        **{name: str(value) for name, value in NO_LIMITS.items()},
        **given,
    }


async def deploy(settings: dict[str, str]) -> Deployment:
    """Migrate the database and make a team with its keys."""
    runtime = Runtime(Settings(_env_file=None, **settings))  # type: ignore[arg-type]

    async def make(unit: Unit) -> Deployment:
        team = await teams.create(unit, "Acme")
        publishable = await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.DEVELOPMENT)
        secret = await api_keys.create(unit, team.id, Kind.SECRET)
        return Deployment(settings["public_url"], str(team.id), publishable.text, secret.text)

    try:
        await migrations.up(runtime.database)
        return await runtime.transact(make)
    finally:
        await runtime.close()


@asynccontextmanager
async def serve(directory: Path, port: int, settings: dict[str, str], *, workers: int = 2) -> AsyncIterator[Running]:
    """The server, from when it accepts connections until the block ends."""
    server = commands.serve(directory, port, "--workers", str(workers), **settings)
    running = await asyncio.to_thread(server.__enter__)
    try:
        yield running
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


def workers_of(running: Running) -> list[int]:
    """The process ids of the workers that live now."""
    pid = running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in _command_line(child)]


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run; one that ended and that nobody has asked after yet does not."""
    return [pid for pid in pids if _state(pid) not in ("", "Z")]


def kill(pids: list[int]) -> None:
    """SIGKILL to each, all at one moment."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""

"""Which deployment a command works on, and running core verbs there.

Commands use what the environment and `.env` describe. Where those name no secret and `gatepass dev` left its data in
this directory, or where `--data-dir` says so, they work on that data; the running dev server sees it at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from gatepass.adapters import logs, migrations
from gatepass.cli import dev_data
from gatepass.cli.output import Failure, note
from gatepass.core import teams, users
from gatepass.core.addresses import Address
from gatepass.core.errors import NotFound
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.core.users import User
from gatepass.settings import PREFIX, Settings, environment, load
from gatepass.wiring import Runtime

T = TypeVar("T")


def settings_of(data_dir: Path | None) -> Settings:
    """The settings that a command works with. Raises Failure, ValidationError, MisspeltSetting."""
    if data_dir is None and f"{PREFIX}SECRET_KEY" not in environment() and dev_data.exists(dev_data.DEFAULT):
        data_dir = dev_data.DEFAULT
        note(f"on the data of gatepass dev in {data_dir}")
    if data_dir is None:
        return load()
    if not dev_data.exists(data_dir):
        raise Failure(f"{data_dir} holds no data of gatepass dev", f"gatepass dev --data-dir {data_dir} makes some")
    return dev_data.DevData.load(data_dir).settings()


@asynccontextmanager
async def runtime_of(settings: Settings) -> AsyncIterator[Runtime]:
    """The runtime of a deployment whose schema is this build's or a newer one's. Raises Failure for any other schema."""
    logs.configure(settings.log_format, level=logging.WARNING)
    runtime = Runtime(settings)
    try:
        if await runtime.read(lambda unit: migrations.is_behind(unit.db)):
            raise Failure("the database is empty or its schema is of an earlier version", "run: gatepass migrate up")
        yield runtime
    finally:
        await runtime.close()


def transact(work: Callable[[Unit], Awaitable[T]], data_dir: Path | None) -> T:
    """Do *work* in one transaction. Raises Failure, and as *work* does."""
    return _run(settings_of(data_dir), work, writes=True)


def read(work: Callable[[Unit], Awaitable[T]], data_dir: Path | None) -> T:
    """Do *work*, which writes nothing. Raises Failure, and as *work* does."""
    return _run(settings_of(data_dir), work, writes=False)


def _run(settings: Settings, work: Callable[[Unit], Awaitable[T]], *, writes: bool) -> T:
    async def run() -> T:
        async with runtime_of(settings) as runtime:
            return await (runtime.transact if writes else runtime.read)(work)

    return asyncio.run(run())


def id_of(what: str, text: str) -> UUID:
    """The id that *text* spells. Raises Failure."""
    try:
        return UUID(text)
    except ValueError:
        raise Failure(f"that is no id of a {what}", f"gatepass {what}s list shows the ids", code=2) from None


async def team_of(unit: Unit, text: str | None) -> Team:
    """The team of that id; without one, the only team there is. Raises Failure, NotFound."""
    if text is not None:
        return await teams.get(unit, id_of("team", text))
    everyone = await teams.list_all(unit)
    if not everyone:
        raise Failure("there is no team yet", "gatepass teams create --name NAME makes one")
    if len(everyone) > 1:
        raise Failure("there are several teams", "name one with --team; gatepass teams list shows them", code=2)
    return everyone[0]


async def user_of(unit: Unit, team: Team, text: str) -> User:
    """The living user of that id or e-mail address. Raises NotFound, InputRefused."""
    if "@" not in text:
        return await users.get(unit, team.id, id_of("user", text))
    user = await users.find_by_address(unit, team.id, Address.parse(text, dotless=True))
    if user is None:
        raise NotFound("user")
    return user

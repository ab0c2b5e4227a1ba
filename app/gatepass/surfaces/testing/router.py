"""Worlds over the control plane: make and drop them, move their clocks, read their mail, go back to what they were.

A call that names a world in its path happens there, by that world's clock, like any call of its apps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from gatepass.adapters.worlds import Worlds
from gatepass.core import inbox, teams, worlds
from gatepass.core.errors import NotFound
from gatepass.core.schema import SECOND
from gatepass.core.signing_keys import Ring
from gatepass.core.unit import Unit
from gatepass.core.worlds import World
from gatepass.surfaces.testing import wire
from gatepass.surfaces.testing.refusals import NothingArrived
from gatepass.traffic import InTraffic, InWorlds
from gatepass.traffic import worlds as running
from gatepass.wiring import InRuntime, Runtime

router = APIRouter()

LONGEST_WAIT = 60.0
"""Seconds."""
_WORLD = "/worlds/{team_id}"
To = Annotated[str | None, Query(description="The address, in any case.")]


# Worlds.


@router.post("/worlds", status_code=201)
async def make_world(runtime: InRuntime, here: InWorlds, body: wire.MakeWorld | None = None) -> wire.MadeWorld:
    """A fresh team, alone in its world. With a seed, everything drawn in it is the same on every run."""
    wanted = body or wire.MakeWorld()
    seed = None if wanted.seed is None else str(wanted.seed)
    return wire.MadeWorld.of(await running.make(runtime.transact, here, wanted.name, seed))


@router.delete(_WORLD, status_code=204)
async def drop_world(team_id: UUID, runtime: InRuntime, here: InWorlds, traffic: InTraffic) -> None:
    """Leave nothing of it."""
    await running.drop(runtime.transact, runtime, here, traffic, team_id)


@router.post("/reset", status_code=204)
async def reset(runtime: InRuntime, here: InWorlds, traffic: InTraffic) -> None:
    """Leave nothing of any world made here; every other team is back on the server's clock."""
    await runtime.transact(worlds.drop_all)
    runtime.forget()
    here.forget_all()
    traffic.forget_all()


@router.post(f"{_WORLD}/snapshot", status_code=201)
async def take_snapshot(team_id: UUID, runtime: InRuntime, here: InWorlds) -> wire.Snapshot:
    """Remember all that is in the world, while the server runs."""
    rows = await runtime.read(lambda unit: worlds.snapshot(unit, team_id))
    return wire.Snapshot(snapshot=here.keep(team_id, rows))


@router.post(f"{_WORLD}/restore", status_code=204)
async def restore(team_id: UUID, body: wire.Restore, runtime: InRuntime, here: InWorlds) -> None:
    """Put the world back to exactly that; its clock, its chance and its mail too."""
    if (rows := here.kept(team_id, body.snapshot)) is None:
        raise NotFound("snapshot of this world")
    await runtime.transact(lambda unit: worlds.restore(unit, team_id, rows))
    runtime.keyring.forget(Ring.SIGN_IN, team_id)
    here.rewind(team_id, body.snapshot)


# The clock.


@router.get(f"{_WORLD}/clock")
async def read_clock(team_id: UUID, runtime: InRuntime, here: InWorlds) -> wire.Clock:
    """What time it is there."""
    return _shown(await runtime.read(lambda unit: worlds.get(unit, team_id)), here)


@router.put(f"{_WORLD}/clock")
async def set_clock(team_id: UUID, body: wire.SetClock, runtime: InRuntime, here: InWorlds) -> wire.Clock:
    """Let it run ahead of the server's, or behind; or stand still."""
    offset_ms = int((body.offset_seconds or 0) * SECOND)
    stands_at = None if body.at is None else wire.epoch_ms(body.at)
    return await _turn(team_id, runtime, here, lambda it: replace(it, offset_ms=offset_ms, stands_at=stands_at))


@router.post(f"{_WORLD}/clock/advance")
async def advance(team_id: UUID, body: wire.Advance, runtime: InRuntime, here: InWorlds) -> wire.Clock:
    """Let time pass."""
    return await _turn(team_id, runtime, here, lambda it: it.later(int(body.seconds * SECOND)))


async def _turn(team_id: UUID, runtime: Runtime, here: Worlds, turn: Callable[[World], World]) -> wire.Clock:
    """Set the clock to what *turn* makes of it. Raises NotFound, InputRefused."""
    return _shown(await running.turn(runtime.transact, here, team_id, turn), here)


def _shown(world: World, here: Worlds) -> wire.Clock:
    server = here.clock.server.now()
    now = world.now(server)
    return wire.Clock(offset_seconds=(now - server) / SECOND, now=now, stands=world.stands_at is not None)


# The inbox.


@router.get(f"{_WORLD}/messages")
async def list_messages(team_id: UUID, runtime: InRuntime, to: To = None) -> list[wire.Message]:
    """The mail of the world, as it arrived."""
    return [wire.Message.model_validate(message) for message in await _mail(runtime, team_id, to)]


@router.get(f"{_WORLD}/messages/wait")
async def wait_for_message(
    team_id: UUID,
    runtime: InRuntime,
    here: InWorlds,
    to: To = None,
    after: Annotated[UUID | None, Query(description="The id of a mail: only later ones.")] = None,
    timeout: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds.")] = 10.0,  # noqa: ASYNC109 - the client's
) -> wire.Message:
    """The next mail after *after*; without it the latest there is, or else the first to come. 408 if none comes."""
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        arrival = here.arrivals.next_of(team_id)
        if found := await _mail(runtime, team_id, to, after):
            return wire.Message.model_validate(found[0 if after else -1])
        try:
            async with asyncio.timeout_at(deadline):
                await arrival.wait()
        except TimeoutError:
            raise NothingArrived(await _mail(runtime, team_id)) from None


async def _mail(
    runtime: Runtime, team_id: UUID, to: str | None = None, after: UUID | None = None
) -> list[inbox.Message]:
    async def look(unit: Unit) -> list[inbox.Message]:
        await teams.get(unit, team_id)
        return await inbox.list_messages(unit, team_id, to=to, after=after)

    return await runtime.read(look)

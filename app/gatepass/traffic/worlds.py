"""Worlds as a running server has them: made and dropped, and their clocks turned, in the database and in its memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from gatepass.adapters.worlds import Worlds, travel
from gatepass.core import worlds
from gatepass.core.signing_keys import Ring
from gatepass.core.unit import Unit
from gatepass.core.worlds import NewWorld, World
from gatepass.traffic.all_calls import Traffic
from gatepass.wiring import Runtime

Transact = Callable[[Callable[[Unit], Awaitable[Any]]], Awaitable[Any]]


async def make(transact: Transact, here: Worlds, name: str, seed: str | None) -> NewWorld:
    """A fresh team, alone in its world. Raises InputRefused, Conflict for a seed in use."""
    with here.seeded(seed):
        made: NewWorld = await transact(lambda unit: worlds.create(unit, name, seed))
    return made


async def drop(transact: Transact, runtime: Runtime, here: Worlds, traffic: Traffic, team_id: UUID) -> None:
    """Leave nothing of a world that was made. Raises NotFound, Conflict."""
    await transact(lambda unit: worlds.drop(unit, team_id))
    runtime.keyring.forget(Ring.SIGN_IN, team_id)
    here.forget(team_id)
    traffic.forget(team_id)


async def turn(transact: Transact, here: Worlds, team_id: UUID, change: Callable[[World], World]) -> World:
    """Set a world's clock to what *change* makes of it; the call under way goes by it. Raises NotFound, InputRefused."""
    server = here.clock.server.now()
    world: World = await transact(lambda unit: worlds.turn(unit, team_id, server, change))
    travel(world)
    return world

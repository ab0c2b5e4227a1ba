"""Test mode's control plane: worlds with a clock, mail and chance of their own, any state at once, faults, a journal.

It is mounted in test mode alone, and stands before the whole application: the door lets each call happen in its world,
the interception lets go wrong what was ordered. Elsewhere its paths do not exist.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends, FastAPI
from starlette.types import ASGIApp

from gatepass.adapters.worlds import Worlds
from gatepass.surfaces.testing import control, router, states
from gatepass.surfaces.testing.access import authorised
from gatepass.surfaces.testing.door import Door
from gatepass.surfaces.testing.interception import Interception, Spell
from gatepass.surfaces.testing.refusals import spell
from gatepass.traffic import Traffic
from gatepass.traffic.faults import CHAOS
from gatepass.wiring import Runtime

__all__ = ["CHAOS", "mount", "spell"]


def mount(app: FastAPI, runtime: Runtime, worlds: Worlds, spell: Spell) -> None:
    """Add the control plane to *app*, and stand before it: also before the answers to faults of our own."""
    plane = APIRouter(prefix="/_test", dependencies=[Depends(authorised)], include_in_schema=False)
    for part in (router, states, control):
        plane.include_router(part.router)
    app.include_router(plane)
    app.state.worlds = worlds
    app.state.traffic = traffic = Traffic(app)
    build: Callable[[], ASGIApp] = app.build_middleware_stack

    def stack() -> ASGIApp:
        return Door(Interception(build(), traffic, spell, worlds.clock.server), runtime, worlds)

    app.build_middleware_stack = stack  # type: ignore[method-assign]

"""The first page: how things stand, or what to do when there is nobody yet."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gatepass.core import operators, teams
from gatepass.surfaces.console.access import desk_of
from gatepass.surfaces.console.rooms import site
from gatepass.wiring import InRuntime

router = APIRouter()


@router.get("/console")
async def home(request: Request, runtime: InRuntime) -> Response:
    """The overview; without an operator, how to make one."""
    if not await runtime.read(operators.are_there_any):
        return site.render(request, "nobody.html", test_mode=runtime.policy.test_mode)
    desk = await desk_of(request, runtime)
    return desk.render("home.html", teams=await desk.read(teams.list_all))

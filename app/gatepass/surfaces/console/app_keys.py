"""The migration meter: which apps still carry a team's secret key, and the switch that refuses them."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gatepass.core import app_keys, teams
from gatepass.surfaces.console.access import AtTeam

router = APIRouter(prefix="/console/teams/{team_id}/app-keys")


@router.get("")
async def show(desk: AtTeam) -> Response:
    """Calls with a secret key from an app, the latest first."""
    return desk.render("app_keys.html", meter=await desk.read(lambda unit: app_keys.read_meter(unit, desk.team.id)))


@router.post("")
async def switch(desk: AtTeam) -> Response:
    """Refuse keys that are shipped in apps, or take them again."""
    form = await desk.form()
    refuse = form.choice("refuse", "yes", "no") == "yes"
    await desk.transact(lambda unit: teams.change(unit, desk.team.id, refuse_app_keys=refuse))
    said = "Keys inside apps are refused from now on." if refuse else "Keys inside apps are taken again."
    return desk.go(f"{desk.home}/app-keys", said)

"""A team's API keys: made and shown once, and revoked by people who know what will stop."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from gatepass.core import api_keys, app_keys, census, key_uses
from gatepass.core.api_keys import ApiKey, Environment, Kind
from gatepass.core.app_keys import AppKeyCalls
from gatepass.core.census import Census
from gatepass.core.errors import Conflict, InputRefused, NotFound
from gatepass.core.key_uses import KeyUse
from gatepass.core.unit import Unit
from gatepass.pages import Form
from gatepass.surfaces.console.access import AtTeam, TeamDesk, id_in_path
from gatepass.surfaces.console.refusals import spelling

router = APIRouter(prefix="/console/teams/{team_id}/keys")

KINDS: dict[str, tuple[str, Kind, Environment | None]] = {
    "development": ("Publishable, for development: inside an app that is being built", Kind.PUBLISHABLE,
                    Environment.DEVELOPMENT),
    "production": ("Publishable, for production: inside an app in the stores", Kind.PUBLISHABLE, Environment.PRODUCTION),
    "secret": ("Secret: for a server of yours, opens the whole team", Kind.SECRET, None),
}  # fmt: skip
"""What can be made, by the word that the form sends."""


@router.get("")
async def list_all(desk: AtTeam) -> Response:
    """Every key by its beginning, and when it was last used; the form of a new one."""
    return await _list(desk)


async def _list(desk: TeamDesk, problem: str | None = None, status: int = 200) -> Response:
    async def work(unit: Unit) -> tuple[list[ApiKey], dict[UUID, int]]:
        return await api_keys.list_keys(unit, desk.team.id), await key_uses.last_used(unit, desk.team.id)

    keys, last_used = await desk.read(work)
    return desk.render(
        "keys.html",
        status,
        live=[key for key in keys if key.revoked_at is None],
        revoked=[key for key in keys if key.revoked_at is not None],
        last_used=last_used,
        kinds=[(word, words) for word, (words, _, _) in KINDS.items()],
        problem=problem,
    )


@router.post("")
async def create(desk: AtTeam) -> Response:
    """Make a key and show it: this page is the only one that ever has it."""
    form = await desk.form()
    try:
        _, kind, environment = _kind(form)
        made = await desk.transact(lambda unit: api_keys.create(unit, desk.team.id, kind, environment))
    except InputRefused as refusal:
        return await _list(desk, spelling(refusal)[2], 422)
    return desk.render("key_made.html", key=made.stored, text=made.text)


def _kind(form: Form) -> tuple[str, Kind, Environment | None]:
    return KINDS[form.choice("kind", *KINDS)]


@router.post("/import")
async def take_over(desk: AtTeam) -> Response:
    """Take over a key that another system issued, so that apps already shipped keep working."""
    form = await desk.form()
    try:
        _, kind, environment = _kind(form)
        presented = form.secret("key").strip()
        key = await desk.transact(lambda unit: api_keys.adopt(unit, desk.team.id, kind, environment, presented))
    except (InputRefused, Conflict) as refusal:
        return await _list(desk, spelling(refusal)[2], 422)
    return desk.go(f"{desk.home}/keys", f"The key that begins with {key.visible} works here now.")


@router.get("/{key_id}/revoke")
async def ask_to_revoke(key_id: str, desk: AtTeam) -> Response:
    """What uses the key, and will stop."""
    wanted = id_in_path("key", key_id)

    async def work(unit: Unit) -> tuple[ApiKey | None, list[KeyUse], list[AppKeyCalls], Census]:
        keys = {key.id: key for key in await api_keys.list_keys(unit, desk.team.id)}
        in_apps = [call for call in await app_keys.list_calls(unit, desk.team.id) if call.key_id == wanted]
        uses = await key_uses.list_of_key(unit, desk.team.id, wanted)
        return keys.get(wanted), uses, in_apps, await census.take(unit, desk.team.id)

    key, uses, in_apps, counted = await desk.read(work)
    if key is None or key.revoked_at is not None:
        raise NotFound("key")
    return desk.render("key_revoke.html", key=key, uses=uses, in_apps=in_apps, census=counted)


@router.post("/{key_id}/revoke")
async def revoke(key_id: str, desk: AtTeam) -> Response:
    """From now on the key opens nothing."""
    await desk.form()
    wanted = id_in_path("key", key_id)
    key = await desk.transact(lambda unit: api_keys.revoke(unit, wanted, team_id=desk.team.id))
    return desk.go(f"{desk.home}/keys", f"The key that begins with {key.visible} opens nothing any more.")

"""The signing keys, their ages, and rotating them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Response

from gatepass.core import signing_keys, teams
from gatepass.core.errors import NotFound
from gatepass.core.ids import find_id
from gatepass.core.signing_keys import DEPLOYMENT, Listed, Ring, State
from gatepass.core.unit import Unit
from gatepass.surfaces.console.access import AtDesk, Desk

router = APIRouter(prefix="/console/signing-keys")

LOOKS = {State.SIGNING: "good", State.WAITING: "info", State.RETIRING: "warn", State.DEAD: "plain"}


@dataclass(frozen=True, slots=True)
class ShownRing:
    """One ring with its keys, newest first. *path* is what it is called in addresses."""

    path: str
    title: str
    purpose: str
    keys: list[Listed]


@router.get("")
async def list_rings(desk: AtDesk) -> Response:
    """Every ring: the deployment's, and of each team that has issued a sign-in token its own."""
    return desk.render("signing_keys.html", rings=await desk.read(_rings), looks=LOOKS)


@router.get("/{ring}/rotate")
async def ask(ring: str, desk: AtDesk) -> Response:
    """What rotating means, before it is done."""
    return desk.render("signing_key_rotate.html", ring=await _ring(desk, ring))


@router.post("/{ring}/rotate")
async def rotate(ring: str, desk: AtDesk) -> Response:
    """Publish a new key."""
    form = await desk.form()
    shown = await _ring(desk, ring)
    at_once = form.checked("at_once")
    kind, scope = _named(ring)
    key = await desk.runtime.keyring.rotate(kind, scope, at_once=at_once, transact=desk.transact)
    when = "in two seconds" if at_once else "in ten minutes"
    return desk.go("/signing-keys", f"{shown.title}: {key.kid} is published, and signs {when}.")


def _named(path: str) -> tuple[Ring, UUID]:
    """The ring that *path* means: `access`, or a team's id. Raises NotFound."""
    if path == "access":
        return Ring.ACCESS, DEPLOYMENT
    if (team_id := find_id(path)) is None or team_id == DEPLOYMENT:
        raise NotFound("ring of signing keys")
    return Ring.SIGN_IN, team_id


async def _ring(desk: Desk, path: str) -> ShownRing:
    """Raises NotFound, for a team too that has no ring yet."""
    _named(path)
    for ring in await desk.read(_rings):
        if ring.path == path.lower():
            return ring
    raise NotFound("ring of signing keys")


async def _rings(unit: Unit) -> list[ShownRing]:
    names = {team.id: team.name for team in await teams.list_all(unit)}
    by_scope: dict[UUID, list[Listed]] = {DEPLOYMENT: []}
    for key in await signing_keys.list_all(unit):
        by_scope.setdefault(key.scope, []).insert(0, key)
    return [
        ShownRing("access", "Access tokens", "One ring for the deployment; public at /.well-known/jwks.json.", keys)
        if scope == DEPLOYMENT
        else ShownRing(str(scope), names[scope], "Signs this team's sign-in tokens.", keys)
        for scope, keys in by_scope.items()
        if scope == DEPLOYMENT or scope in names
    ]

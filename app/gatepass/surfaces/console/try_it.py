"""The "try it" page: code that signs in with one of the team's own keys.

The server knows keys by their digests alone, so a key is pasted, or made here and shown this once. A publishable key is
no secret: it ships inside apps.
"""

from __future__ import annotations

from fastapi import APIRouter, Response

from gatepass.core import api_keys
from gatepass.core.api_keys import App, Environment, Kind
from gatepass.core.errors import ApiKeyRefused, InputRefused, NotFound
from gatepass.core.unit import Unit
from gatepass.surfaces.console.access import AtTeam, TeamDesk
from gatepass.surfaces.console.snippets import is_harmless, snippets_for

router = APIRouter(prefix="/console/teams/{team_id}/try")

ENVIRONMENTS = (("development", "Development"), ("production", "Production"))


@router.get("")
async def show(desk: AtTeam) -> Response:
    """The snippets, a key still to be put in."""
    return _page(desk)


@router.post("")
async def put_in(desk: AtTeam) -> Response:
    """The snippets with a key that was pasted."""
    form = await desk.form()
    try:
        key = form.text("key", most=4096)
        if not is_harmless(key):
            raise InputRefused("key", "is none that can stand in code as it is: put it in by hand")
        app = await desk.read(lambda unit: _app_of(unit, desk, key))
    except InputRefused as refused:
        return _page(desk, problem=refused)
    return _page(desk, key=key, environment=app.environment)


@router.post("/key")
async def make(desk: AtTeam) -> Response:
    """The snippets with a new key, which is shown this once."""
    form = await desk.form()
    environment = Environment(form.choice("environment", *(name for name, _ in ENVIRONMENTS)))
    made = await desk.transact(lambda unit: api_keys.create(unit, desk.team.id, Kind.PUBLISHABLE, environment))
    return _page(desk, key=made.text, environment=environment, made=True)


async def _app_of(unit: Unit, desk: TeamDesk, key: str) -> App:
    """Whom *key* names. Raises InputRefused for none of this team's publishable keys."""
    try:
        app = await api_keys.authenticate_app(unit, key)
    except (ApiKeyRefused, NotFound):
        app = None
    if app is None or app.team.id != desk.team.id:
        raise InputRefused("key", "is no publishable key of this team that opens anything")
    return app


def _page(
    desk: TeamDesk,
    *,
    key: str | None = None,
    environment: Environment | None = None,
    made: bool = False,
    problem: InputRefused | None = None,
) -> Response:
    return desk.render(
        "try_it.html",
        422 if problem else 201 if made else 200,
        problem=problem,
        key=key,
        environment=environment,
        made=made,
        environments=ENVIRONMENTS,
        snippets=snippets_for(desk.runtime.settings.public_url.rstrip("/"), key),
        url=desk.runtime.settings.public_url,
    )

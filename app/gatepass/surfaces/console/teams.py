"""Teams: all of them, a new one, and one with its settings and limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response

from gatepass.core import census, teams, users
from gatepass.core.census import Census
from gatepass.core.errors import InputRefused
from gatepass.core.ids import find_id
from gatepass.core.limits import Limits, Rate
from gatepass.core.schema import DAY, HOUR, MINUTE, SECOND
from gatepass.core.teams import Region, SignUp, Team, TeamEnvironment
from gatepass.core.unit import Unit
from gatepass.pages import Form
from gatepass.surfaces.console.access import AtDesk, AtTeam, TeamDesk
from gatepass.surfaces.console.refusals import spelling

router = APIRouter(prefix="/console/teams")

ENVIRONMENTS = (
    ("sandbox", "Sandbox: for trying things out"),
    ("production", "Production: real users"),
    ("dev", "Dev: Junction's development hosts"),
    ("local", "Local: stock SDKs in a simulator on this machine"),
)
REGIONS = (("eu", "Europe"), ("us", "United States"))
SIGN_UP = (
    ("open", "Anyone with a mailbox"),
    ("known", "Accounts that exist; nobody new"),
    ("closed", "Nobody, by e-mail code"),
)
_LIMITS = (
    ("login_per_client", "Codes asked for, per client address"),
    ("codes_per_address", "Codes for one e-mail address"),
    ("codes_per_client_and_address", "Codes for one e-mail address from one client address"),
    ("cooldown", "Codes for one e-mail address, in quick succession"),
    ("wrong_codes_per_client", "Wrong codes and QR values, per client address"),
    ("wrong_codes_per_address", "Wrong codes for one e-mail address"),
    ("invalid_refresh_per_client", "Invalid refresh tokens, per client address"),
    ("token_endpoint_per_client", "Calls of the token endpoint, per client address"),
)
_PERIODS = {SECOND: "second", MINUTE: "minute", HOUR: "hour", DAY: "day"}


@router.get("")
async def list_all(desk: AtDesk) -> Response:
    """Every team, with how many people it has."""

    async def work(unit: Unit) -> list[tuple[Team, Census]]:
        return [(team, await census.take(unit, team.id)) for team in await teams.list_all(unit)]

    return desk.render("teams.html", found=await desk.read(work))


@router.get("/new")
async def new(desk: AtDesk) -> Response:
    """The form of a new team."""
    return desk.render(
        "team_new.html", problem=None, **_CHOICES, given=Form({"region": "eu", "environment": "sandbox"})
    )


_CHOICES: dict[str, Any] = {"environments": ENVIRONMENTS, "regions": REGIONS}


@router.post("")
async def create(desk: AtDesk) -> Response:
    """Make a team."""
    form = await desk.form()
    try:
        name = form.text("name", most=100)
        region = Region(form.choice("region", *Region))
        environment = TeamEnvironment(form.choice("environment", *TeamEnvironment))
        team = await desk.transact(lambda unit: teams.create(unit, name, region=region, environment=environment))
    except InputRefused as refusal:
        return desk.render("team_new.html", 422, problem=spelling(refusal)[2], **_CHOICES, given=form)
    return desk.go(f"/teams/{team.id}/keys", f"{team.name} is made. Its apps and servers need keys: make them here.")


@router.get("/{team_id}")
async def overview(desk: AtTeam) -> Response:
    """One team: who is there, what holds for it, and what it is limited to."""
    policy = desk.runtime.policy
    return desk.render(
        "team.html",
        census=await desk.read(lambda unit: census.take(unit, desk.team.id)),
        sign_up=dict(SIGN_UP)[desk.team.sign_up],
        code_length=desk.team.code_length or policy.code_length,
        policy=policy,
        today=datetime.fromtimestamp(desk.runtime.clock.now() / 1000, UTC).date(),
        limits=[(words, name, _rates(policy.limits, name)) for name, words in _LIMITS],
    )


def _rates(limits: Limits, name: str) -> str:
    rates: tuple[Rate, ...] = getattr(limits, name)
    return ", ".join(f"{rate.count} per {_period(rate.period)}" for rate in rates) or "no limit"


def _period(ms: int) -> str:
    return _PERIODS.get(ms) or f"{ms // SECOND} seconds"


@router.get("/{team_id}/settings")
async def settings(desk: AtTeam) -> Response:
    """The team's settings, to be changed."""
    return _settings(desk, desk.team)


def _settings(desk: TeamDesk, team: Team, problem: str | None = None, form: Form | None = None) -> Response:
    shown = form if form is not None else _as_form(team)
    return desk.render(
        "team_settings.html", 422 if problem else 200, problem=problem, sign_ups=SIGN_UP, given=shown,
        default_length=desk.runtime.policy.code_length,
    )  # fmt: skip


def _as_form(team: Team) -> Form:
    texts = {
        "name": team.name,
        "sign_up": team.sign_up.value,
        "code_length": str(team.code_length or ""),
        "colour": team.colour or "",
        "owner_id": str(team.owner_id or ""),
    }
    return Form({**texts, **{name: "on" for name in SWITCHES if getattr(team, name)}})


SWITCHES = ("accept_development_keys", "account_pages", "new_device_notices", "refuse_app_keys")


@router.post("/{team_id}/settings")
async def change(desk: AtTeam) -> Response:
    """Save them, all at once."""
    form = await desk.form()

    async def work(unit: Unit) -> Team:
        return await teams.change(unit, desk.team.id, **await _changes(unit, desk.team, form))

    try:
        team = await desk.transact(work)
    except InputRefused as refusal:
        return _settings(desk, desk.team, spelling(refusal)[2], form)
    return desk.go(f"{desk.home}/settings", f"The settings of {team.name} are saved.")


async def _changes(unit: Unit, team: Team, form: Form) -> dict[str, object]:
    """What *form* changes: what stays as it was is not written, so that two operators undo little of each other's."""
    owner = form.text("owner_id", most=36)
    owner_id = find_id(owner)
    if owner and (owner_id is None or await users.find(unit, team.id, owner_id) is None):
        raise InputRefused("owner_id", "names no user of this team")
    wanted: dict[str, object] = {
        "name": form.text("name", most=100),
        "sign_up": SignUp(form.choice("sign_up", *SignUp)),
        "code_length": form.number("code_length", 5, 10),
        "colour": form.text("colour", most=7) or None,
        "owner_id": owner_id,
        **{name: form.checked(name) for name in SWITCHES},
    }
    return {name: value for name, value in wanted.items() if value != getattr(team, name)}


@router.get("/{team_id}/remove")
async def ask_to_remove(desk: AtTeam) -> Response:
    """What removing would do."""
    return await _ask_to_remove(desk)


async def _ask_to_remove(desk: TeamDesk, problem: str | None = None) -> Response:
    counted = await desk.read(lambda unit: census.take(unit, desk.team.id))
    return desk.render("team_remove.html", 422 if problem else 200, census=counted, problem=problem)


@router.post("/{team_id}/remove")
async def remove(desk: AtTeam) -> Response:
    """Take the team out of service, for good; its name is asked for, so that no other is meant."""
    form = await desk.form()
    if form.text("name", most=100) != desk.team.name:
        return await _ask_to_remove(desk, "That is not the name of this team.")
    ended = await desk.transact(lambda unit: teams.remove(unit, desk.team.id))
    return desk.go("/teams", f"{desk.team.name} is removed; sessions ended: {ended}.")

"""`gatepass teams`: applications, each a world of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gatepass.cli.options import AsJson, DataDir
from gatepass.cli.output import Failure, examples, group, instant, pairs, show, table

if TYPE_CHECKING:
    from gatepass.core.teams import Team
    from gatepass.core.unit import Unit

app = group("teams", "Make teams and change their settings.", "gatepass teams list")

TeamId = Annotated[str, typer.Argument(help="The team's id.", metavar="ID")]


def _brief(team: Team) -> dict[str, Any]:
    return {
        "team_id": str(team.id),
        "name": team.name,
        "region": str(team.region),
        "environment": str(team.environment),
    }


def _full(team: Team) -> dict[str, Any]:
    return {
        **_brief(team),
        "sign_up": str(team.sign_up),
        "code_length": team.code_length,
        "accept_development_keys": team.accept_development_keys,
        "account_pages": team.account_pages,
        "new_device_notices": team.new_device_notices,
        "colour": team.colour,
        "refuse_app_keys": team.refuse_app_keys,
        "owner_id": str(team.owner_id) if team.owner_id else None,
        "created_at": team.created_at,
    }


def _show_full(team: Team, as_json: bool) -> None:
    document = _full(team)
    show(as_json, document, lambda: pairs({**document, "created_at": instant(team.created_at)}))


@app.command(epilog=examples("gatepass teams create --name Acme --region eu --environment production"))
def create(
    name: Annotated[str, typer.Option(help="What users read in mails: 1 to 100 characters.")],
    region: Annotated[Literal["us", "eu"], typer.Option(help="Where its Junction SDKs think they are.")] = "eu",
    environment: Annotated[
        Literal["sandbox", "production", "dev", "local"], typer.Option(help="What the whole team is for.")
    ] = "sandbox",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a team."""
    from gatepass.cli.deployment import transact
    from gatepass.core import teams
    from gatepass.core.teams import Region, TeamEnvironment

    async def work(unit: Unit) -> Team:
        return await teams.create(unit, name, region=Region(region), environment=TeamEnvironment(environment))

    team = transact(work, data_dir)
    used = "production" if environment == "production" else "development"
    show(
        as_json,
        _brief(team),
        lambda: (
            f"{pairs(_brief(team))}\n"
            f"next: gatepass keys create --team {team.id} --kind publishable --environment {used}"
        ),
    )


@app.command("list", epilog=examples("gatepass teams list --json"))
def list_all(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Every team, oldest first."""
    from gatepass.cli.deployment import read
    from gatepass.core import teams

    found = [_brief(team) for team in read(teams.list_all, data_dir)]
    show(
        as_json,
        found,
        lambda: table(
            ("id", "name", "region", "environment"),
            [list(team.values()) for team in found],
            empty="no teams yet; gatepass teams create --name NAME makes one",
        ),
    )


@app.command("show", epilog=examples("gatepass teams show 7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"))
def show_one(team_id: TeamId, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """One team and its settings."""
    from gatepass.cli.deployment import id_of, read
    from gatepass.core import teams

    _show_full(read(lambda unit: teams.get(unit, id_of("team", team_id)), data_dir), as_json)


@app.command(
    epilog=examples("gatepass teams update 7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34 --sign-up known --code-length 5")
)
def update(
    team_id: TeamId,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    sign_up: Annotated[
        Literal["open", "known", "closed"] | None,
        typer.Option(help="Who may sign in by mail: anyone, accounts that exist, nobody."),
    ] = None,
    code_length: Annotated[
        int | None, typer.Option(help="Digits of a code, 5 to 10; 0 goes back to the deployment's.")
    ] = None,
    accept_development_keys: Annotated[
        bool | None,
        typer.Option("--accept-development-keys/--no-accept-development-keys", help="Whether development keys work."),
    ] = None,
    account_pages: Annotated[
        bool | None, typer.Option("--account-pages/--no-account-pages", help="Whether users have pages of their own.")
    ] = None,
    new_device_notices: Annotated[
        bool | None,
        typer.Option(
            "--new-device-notices/--no-new-device-notices",
            help="Whether users who have such pages are mailed when a device signs in for the first time.",
        ),
    ] = None,
    colour: Annotated[
        str | None, typer.Option(help="Of those pages, like #1a7f4b; 'none' goes back to Gatepass's own.")
    ] = None,
    refuse_app_keys: Annotated[
        bool | None,
        typer.Option("--refuse-app-keys/--no-refuse-app-keys", help="Whether team keys shipped in apps are refused."),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="The user that development keys act for by default.", metavar="USER_ID")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Change a team's settings; what is not named stays."""
    given = {
        "name": name,
        "sign_up": sign_up,
        "accept_development_keys": accept_development_keys,
        "account_pages": account_pages,
        "new_device_notices": new_device_notices,
        "colour": colour,
        "refuse_app_keys": refuse_app_keys,
    }
    changes: dict[str, object] = {setting: value for setting, value in given.items() if value is not None}
    if code_length is not None:
        changes["code_length"] = code_length or None
    if colour == "none":
        changes["colour"] = None
    if not changes and owner is None:
        raise Failure("nothing to change", "name a setting; gatepass teams update --help lists them", code=2)
    from gatepass.cli.deployment import id_of, transact
    from gatepass.core import teams, users

    async def work(unit: Unit) -> Team:
        if owner is not None:
            changes["owner_id"] = (await users.get(unit, id_of("team", team_id), id_of("user", owner))).id
        return await teams.change(unit, id_of("team", team_id), **changes)

    _show_full(transact(work, data_dir), as_json)


@app.command(epilog=examples("gatepass teams remove 7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34 --yes"))
def remove(
    team_id: TeamId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Take a team out of service, for good: its keys open nothing any more and its sessions end at once."""
    from gatepass.cli.deployment import id_of, read, transact
    from gatepass.core import teams

    team = read(lambda unit: teams.get(unit, id_of("team", team_id)), data_dir)
    if not yes:
        if not sys.stdin.isatty():
            raise Failure(f"removing {team.name} cannot be undone", "give --yes if that is meant", code=2)
        typer.confirm(f"Remove {team.name}, sign all its users out and let its keys die?", abort=True, err=True)
    ended = transact(lambda unit: teams.remove(unit, team.id), data_dir)
    show(as_json, {**_brief(team), "ended": ended}, lambda: f"removed {team.name}; {ended} sessions ended")

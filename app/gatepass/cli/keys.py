"""`gatepass keys`: the API keys of a team."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gatepass.cli.options import AsJson, DataDir, TeamId, duration
from gatepass.cli.output import Failure, examples, group, instant, pairs, show, table

if TYPE_CHECKING:
    from gatepass.core.api_keys import ApiKey, NewApiKey
    from gatepass.core.app_keys import Meter
    from gatepass.core.unit import Unit

app = group("keys", "Make, list, revoke and take over API keys.", "gatepass keys list")

KindName = Annotated[
    Literal["secret", "publishable"],
    typer.Option("--kind", help="secret: a server's, opens the team. publishable: ships in an app, opens nothing."),
]
EnvironmentName = Annotated[
    Literal["development", "production"] | None,
    typer.Option("--environment", help="What a publishable key is for; secret keys have none."),
]


def _brief(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": str(key.id),
        "kind": str(key.kind),
        "environment": str(key.environment) if key.environment else None,
    }


def _full(key: ApiKey) -> dict[str, Any]:
    return {**_brief(key), "visible": key.visible, "created_at": key.created_at, "revoked_at": key.revoked_at}


@app.command(epilog=examples("gatepass keys create --kind publishable --environment development --json"))
def create(
    kind: KindName,
    environment: EnvironmentName = None,
    team: TeamId = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key and show it, this once."""
    from gatepass.cli.deployment import team_of, transact
    from gatepass.core import api_keys
    from gatepass.core.api_keys import Environment, Kind

    async def work(unit: Unit) -> NewApiKey:
        owner = await team_of(unit, team)
        return await api_keys.create(unit, owner.id, Kind(kind), Environment(environment) if environment else None)

    made = transact(work, data_dir)
    brief = _brief(made.stored)
    document = {"key_id": brief["key_id"], "key": made.text, **brief}
    show(as_json, document, lambda: f"{pairs(document)}\nnote: keep the key now, it is never shown again")


@app.command("list", epilog=examples("gatepass keys list --json"))
def list_all(team: TeamId = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """A team's keys, oldest first, revoked ones too; of each only its beginning is known."""
    from gatepass.cli.deployment import read, team_of
    from gatepass.core import api_keys

    async def work(unit: Unit) -> list[ApiKey]:
        return await api_keys.list_keys(unit, (await team_of(unit, team)).id)

    found = read(work, data_dir)
    show(
        as_json,
        [_full(key) for key in found],
        lambda: table(
            ("id", "kind", "environment", "begins", "made", "revoked"),
            [
                (key.id, key.kind, key.environment, key.visible, instant(key.created_at), instant(key.revoked_at))
                for key in found
            ],
            empty="no keys yet; gatepass keys create --kind publishable --environment development makes one",
        ),
    )


@app.command(epilog=examples("gatepass keys revoke 0b0e5a36-7a57-4f0e-9d0d-6f3a2c1b0a99"))
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, not the key.", metavar="KEY_ID")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Let a key open nothing from now on. Sessions stay: they belong to the team, not to a key."""
    from gatepass.cli.deployment import id_of, transact
    from gatepass.core import api_keys

    key = transact(lambda unit: api_keys.revoke(unit, id_of("key", key_id)), data_dir)
    show(as_json, _full(key), lambda: f"revoked {key.id} ({key.visible}...)")


@app.command("import", epilog=examples("gatepass keys import --kind publishable --environment production < key.txt"))
def import_one(
    kind: KindName,
    environment: EnvironmentName = None,
    team: TeamId = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Take over a key that another system issued, read from stdin, so that apps already shipped keep working."""
    presented = typer.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read(8192)
    if not presented.strip():
        raise Failure("no key came in on stdin", "gatepass keys import --kind KIND < FILE", code=2)
    from gatepass.cli.deployment import team_of, transact
    from gatepass.core import api_keys
    from gatepass.core.api_keys import Environment, Kind

    async def work(unit: Unit) -> ApiKey:
        owner = await team_of(unit, team)
        named = Environment(environment) if environment else None
        return await api_keys.adopt(unit, owner.id, Kind(kind), named, presented.strip())

    key = transact(work, data_dir)
    show(as_json, _brief(key), lambda: f"took over {key.visible}... as {key.id}")


@app.command("in-apps", epilog=examples("gatepass keys in-apps --since 30d --json"))
def in_apps(
    team: TeamId = None,
    since: Annotated[str, typer.Option(help="How far back to look: 90m, 12h, 30d.", metavar="TIME")] = "30d",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Which apps still carry a secret key instead of a sign-in token: one line per user and SDK version.

    When none is left, gatepass teams update ID --refuse-app-keys keeps it so.
    """
    from gatepass.cli.deployment import read, team_of
    from gatepass.core import app_keys

    back = duration(since)

    async def work(unit: Unit) -> Meter:
        owner = await team_of(unit, team)
        return await app_keys.read_meter(unit, owner.id, since=unit.now - back, limit=1000)

    meter = read(work, data_dir)
    document = {
        "apps": meter.apps,
        "refuse_app_keys": meter.refused,
        "verdict": meter.verdict,
        "calls": [
            {
                "user_id": str(one.user_id) if one.user_id else None,
                "sdk": one.sdk,
                "key_id": str(one.key_id),
                "visible": one.visible,
                "calls": one.calls,
                "first_at": one.first_at,
                "last_at": one.last_at,
            }
            for one in meter.calls
        ],
    }
    rows = [
        (one.user_id, one.sdk, one.visible, one.calls, instant(one.first_at), instant(one.last_at))
        for one in meter.calls
    ]
    heads = ("user", "sdk", "key begins", "calls", "first", "last")
    listing = f"{table(heads, rows, empty='')}\n\n" if rows else ""
    show(as_json, document, lambda: f"{listing}{meter.verdict}")

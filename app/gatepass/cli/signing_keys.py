"""`gatepass signing-keys`: the keys that sign access tokens and sign-in tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from gatepass.cli.options import AsJson, DataDir, TeamId
from gatepass.cli.output import Failure, examples, group, instant, note, show, table

if TYPE_CHECKING:
    from gatepass.core.signing_keys import Listed
    from gatepass.core.teams import Team
    from gatepass.core.unit import Unit
    from gatepass.wiring import Runtime

T = TypeVar("T")

app = group("signing-keys", "List, rotate and export signing keys.", "gatepass signing-keys list")

RingName = Annotated[
    Literal["access", "sign-in"],
    typer.Option("--ring", help="access: the deployment's, for access tokens. sign-in: a team's, for sign-in tokens."),
]


@app.command("list", epilog=examples("gatepass signing-keys list --json"))
def list_all(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Every signing key, oldest first in each ring, and where it stands."""
    from gatepass.cli.deployment import read
    from gatepass.core import signing_keys

    _print(read(signing_keys.list_all, data_dir), as_json)


@app.command(epilog=examples("gatepass signing-keys rotate", "gatepass signing-keys rotate --ring sign-in --team ID"))
def rotate(
    ring: RingName = "access",
    team: TeamId = None,
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="Sign with it in two seconds instead of ten minutes; verifiers with a cached JWKS refuse new tokens "
            "until they fetch it again, within five minutes.",
        ),
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Publish a new key, without a restart. It signs ten minutes later; the old one verifies until its last token died."""
    from gatepass.core import signing_keys
    from gatepass.core.signing_keys import DEPLOYMENT, Ring

    if ring == "access" and team is not None:
        raise Failure("the access ring is the deployment's, not a team's", "leave --team out", code=2)

    async def work(runtime: Runtime) -> list[Listed]:
        scope = DEPLOYMENT if ring == "access" else (await runtime.read(_team(team))).id
        await runtime.keyring.rotate(Ring.ACCESS if ring == "access" else Ring.SIGN_IN, scope, at_once=at_once)
        return await runtime.read(lambda unit: signing_keys.list_all(unit, scope))

    _print(_with_runtime(work, data_dir), as_json)


@app.command(epilog=examples("gatepass signing-keys export --team ID > service-account.json"))
def export(team: TeamId = None, as_json: AsJson = True, data_dir: DataDir = None) -> None:
    """Print a team's newest sign-in key as a service account, with which firebase-admin mints sign-in tokens.

    Whoever holds the file signs in as any user of the team.
    """
    from gatepass.core import audit
    from gatepass.core.sign_in_jwt import project_of, service_account, tenant_of
    from gatepass.core.signing_keys import Ring, pem_of

    async def work(runtime: Runtime) -> tuple[dict[str, str], Team]:
        owner = await runtime.read(_team(team))
        await runtime.keyring.signer(Ring.SIGN_IN, owner.id)
        key = (await runtime.keyring.keys(Ring.SIGN_IN, owner.id))[-1]
        await runtime.transact(
            lambda unit: audit.record(unit, audit.Event.SIGNING_KEY_EXPORTED, team_id=owner.id, detail={"kid": key.kid})
        )
        return {
            "type": "service_account",
            "project_id": project_of(owner.environment, owner.region),
            "private_key_id": key.kid,
            "private_key": pem_of(key),
            "client_email": service_account(owner),
            "client_id": str(owner.id),
            "token_uri": f"{runtime.policy.issuer}/oauth/token",
            "universe_domain": "googleapis.com",
        }, owner

    document, owner = _with_runtime(work, data_dir)
    note("warning: whoever holds this key signs in as any user of the team; keep it off phones and out of repositories")
    note(
        f"mint for tenant {tenant_of(owner.id)}, with the developer claim vital_team_id={owner.id} and a user's id as uid"
    )
    show(True, document, str)


def _team(text: str | None) -> Callable[[Unit], Awaitable[Team]]:
    from gatepass.cli.deployment import team_of

    return lambda unit: team_of(unit, text)


def _with_runtime(work: Callable[[Runtime], Awaitable[T]], data_dir: Path | None) -> T:
    import asyncio

    from gatepass.cli.deployment import runtime_of, settings_of

    async def run() -> T:
        async with runtime_of(settings_of(data_dir)) as runtime:
            return await work(runtime)

    return asyncio.run(run())


def _print(keys: list[Listed], as_json: bool) -> None:
    rows = [_row(key) for key in keys]
    show(
        as_json,
        rows,
        lambda: table(
            ("kid", "ring", "team", "state", "signs from", "verifies until"),
            [
                (
                    key.kid,
                    row["ring"],
                    row["team_id"],
                    key.state,
                    instant(key.activates_at),
                    instant(key.verifies_until),
                )
                for key, row in zip(keys, rows, strict=True)
            ],
            empty="no signing key yet; the first token makes one",
        ),
    )


def _row(key: Listed) -> dict[str, Any]:
    from gatepass.core.signing_keys import DEPLOYMENT, Ring

    return {
        "kid": key.kid,
        "ring": "access" if key.ring is Ring.ACCESS else "sign-in",
        "team_id": None if key.scope == DEPLOYMENT else str(key.scope),
        "state": key.state.value,
        "created_at": key.created_at,
        "activates_at": key.activates_at,
        "verifies_until": key.verifies_until,
    }

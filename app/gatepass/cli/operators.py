"""`gatepass operators`: who may use the console, and the one-time links that let them in."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepass.cli.options import AsJson, DataDir
from gatepass.cli.output import Failure, examples, group, instant, pairs, show, table

if TYPE_CHECKING:
    from gatepass.core.operators import Link, Operator
    from gatepass.core.unit import Unit

app = group("operators", "Let people into the console, and out.", "gatepass operators create ada")

Name = Annotated[str, typer.Argument(help="What the operator is called, such as an e-mail address.", metavar="NAME")]


def _show_link(link: Link, as_json: bool, data_dir: Path | None) -> None:
    document: dict[str, Any] = {
        "operator_id": str(link.operator.id) if link.operator else None,
        "name": link.operator.name if link.operator else None,
        "link": _public_url(data_dir) + link.path,
        "expires_at": link.expires_at,
    }
    told = {name: value for name, value in document.items() if value is not None and name != "operator_id"}
    show(
        as_json,
        document,
        lambda: (
            f"{pairs({**told, 'expires_at': instant(link.expires_at)})}\n"
            "note: the link works once, and whoever opens it chooses the password; open it, or hand it over privately"
        ),
    )


def _public_url(data_dir: Path | None) -> str:
    """Where the server is reached: of `gatepass dev`, where it runs now."""
    from gatepass.cli import dev_data
    from gatepass.cli.deployment import settings_of
    from gatepass.cli.facts import RUNNING

    settings = settings_of(data_dir)
    if settings.test_mode:
        try:
            running: dict[str, Any] = json.loads(((data_dir or dev_data.DEFAULT) / RUNNING).read_text())
            return str(running["url"])
        except (OSError, ValueError, KeyError):
            pass
    return settings.public_url


@app.command(epilog=examples("gatepass operators create ada", "gatepass operators create ada@example.com --json"))
def create(
    name: Annotated[
        str | None,
        typer.Argument(help="What the operator is called. The first one may choose that on the page.", metavar="NAME"),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Invite an operator: prints a one-time link, where that person chooses a password."""
    from gatepass.cli.deployment import transact
    from gatepass.core import operators

    async def work(unit: Unit) -> Link | None:
        return await operators.first_link(unit) if name is None else (await operators.create(unit, name))[1]

    link = transact(work, data_dir)
    if link is None:
        raise Failure("there are operators already", "say what the new one is called", code=2)
    _show_link(link, as_json, data_dir)


@app.command(epilog=examples("gatepass operators link ada"))
def link(name: Name, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """A one-time link for who forgot the password, or is kept out by a stranger's guesses."""
    from gatepass.cli.deployment import transact
    from gatepass.core import operators

    async def work(unit: Unit) -> Link:
        return await operators.link_for(unit, (await operators.get_by_name(unit, name)).id)

    _show_link(transact(work, data_dir), as_json, data_dir)


def _brief(operator: Operator) -> dict[str, Any]:
    return {
        "operator_id": str(operator.id),
        "name": operator.name,
        "has_password": operator.has_password,
        "created_at": operator.created_at,
        "signed_in_at": operator.signed_in_at,
    }


@app.command("list", epilog=examples("gatepass operators list --json"))
def list_all(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Every operator, oldest first."""
    from gatepass.cli.deployment import read
    from gatepass.core import operators

    found = read(operators.list_all, data_dir)
    show(
        as_json,
        [_brief(operator) for operator in found],
        lambda: table(
            ("name", "has a password", "made", "signed in"),
            [(one.name, one.has_password, instant(one.created_at), instant(one.signed_in_at)) for one in found],
            empty="no operators yet; gatepass operators create NAME invites one",
        ),
    )


@app.command(epilog=examples("gatepass operators remove ada --yes"))
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Take an operator's way in: every browser is signed out at once, and links die."""
    from gatepass.cli.deployment import read, transact
    from gatepass.core import operators

    operator = read(lambda unit: operators.get_by_name(unit, name), data_dir)
    if not yes:
        if not sys.stdin.isatty():
            raise Failure(f"{operator.name} would be shut out", "give --yes if that is meant", code=2)
        typer.confirm(f"Shut {operator.name} out of the console?", abort=True, err=True)
    transact(lambda unit: operators.remove(unit, operator.id), data_dir)
    show(as_json, _brief(operator), lambda: f"removed {operator.name}")

"""`gatepass inbox`: the mail that a test server would have sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepass.cli.options import AsJson, DataDir
from gatepass.cli.output import Failure, examples, table

if TYPE_CHECKING:
    from gatepass.testing.control_plane import ControlPlane

EXAMPLES = examples("gatepass inbox --follow", "gatepass inbox --to ada@example.com --json")
HEADS = ("sent", "to", "code", "transaction", "subject")


def inbox(
    to: Annotated[str | None, typer.Option("--to", help="Only mail to this address.", metavar="EMAIL")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what arrives, until Ctrl-C.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the mail of the running `gatepass dev`. With --follow and --json, one document on each line."""
    import httpx

    from gatepass.cli.facts import of_running
    from gatepass.testing.control_plane import ControlPlane, Problem

    values = of_running(data_dir)
    plane = ControlPlane(values["GATEPASS_URL"], values["GATEPASS_ADMIN_TOKEN"])
    path = f"/_test/worlds/{values['GATEPASS_TEAM_ID']}/messages"
    try:
        found = plane.call("GET", path, to=to)
        if not follow:
            rows = [(one["sent_at"], one["to"], one["code"], one["transaction_id"], one["subject"]) for one in found]
            print(json.dumps(found) if as_json else table(HEADS, rows, empty="no mail"))
            return
        for one in _following(plane, path, to, found):
            print(json.dumps(one) if as_json else _line(one), flush=True)
    except Problem as error:
        raise Failure(f"the server refused: {error}", "gatepass env shows which server and keys are meant") from None
    except httpx.TransportError:
        raise Failure(f"{values['GATEPASS_URL']} does not answer", "start gatepass dev again") from None
    except KeyboardInterrupt:
        return
    finally:
        plane.close()


def _following(plane: ControlPlane, path: str, to: str | None, found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What is there, then whatever comes."""
    from gatepass.testing.control_plane import LONGEST_WAIT

    yield from found
    last = found[-1]["id"] if found else None
    while True:
        arrived, _ = plane.wait(f"{path}/wait", LONGEST_WAIT, to=to, after=last)
        if arrived is not None:
            last = arrived["id"]
            yield arrived


def _line(one: dict[str, Any]) -> str:
    code = f"code {one['code']}" if one["code"] else "no code"
    return f"{one['sent_at']}  {one['to']}  {code}  {one['transaction_id'] or '-'}  {one['subject']}"

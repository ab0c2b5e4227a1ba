"""`gatepass audit`: what happened, filtered, for people, as JSON or as CSV."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepass.cli.options import AsJson, DataDir
from gatepass.cli.output import Failure, examples, instant, show, table

if TYPE_CHECKING:
    from gatepass.core.audit import AuditEvent, Filter

EXAMPLES = examples(
    "gatepass audit --event session_ended --from 2026-09-01",
    "gatepass audit --user 22634f81-ff52-4553-94b7-d57029671859 --json",
    "gatepass audit --csv > audit.csv",
)


def audit(
    team: Annotated[str | None, typer.Option(help="Only this team's.", metavar="ID")] = None,
    user: Annotated[str | None, typer.Option(help="Only this user's.", metavar="ID")] = None,
    session: Annotated[str | None, typer.Option(help="Only this session's.", metavar="ID")] = None,
    event: Annotated[str | None, typer.Option(help="Only events of this name, such as session_ended.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", help="Only from this day or instant on, in UTC unless it says otherwise.", metavar="WHEN"
        ),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Only before this day or instant.", metavar="WHEN")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1, max=500)] = 50,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all of them as CSV; --limit does not apply.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """What happened, newest first: ids and closed words, never a secret."""
    if as_csv and as_json:
        raise Failure("CSV and JSON are two things", "give one of --csv and --json", code=2)
    from gatepass.cli.deployment import id_of, read
    from gatepass.core import audit as core

    def named(what: str, text: str | None) -> Any:
        return None if text is None else id_of(what, text)

    if event is not None and event not in {known.value for known in core.Event}:
        raise Failure("there is no event of that name", f"there are {', '.join(core.Event)}", code=2)
    wanted = core.Filter(
        team_id=named("team", team),
        user_id=named("user", user),
        session_id=named("session", session),
        event=None if event is None else core.Event(event),
        since=None if since is None else _ms(since),
        until=None if until is None else _ms(until),
    )
    if as_csv:
        _export(wanted, data_dir)
        return
    found = read(lambda unit: core.list_events(unit, wanted, limit=limit), data_dir)
    show(as_json, [_full(one) for one in found], lambda: _table(found))


def _ms(text: str) -> int:
    """The instant that *text* spells (ISO 8601), epoch ms. Raises Failure."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Failure("that is no day and no instant", "write 2026-09-21 or 2026-09-21T14:13:20Z", code=2) from None
    when = when.replace(tzinfo=when.tzinfo or UTC)
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _export(wanted: Filter, data_dir: Path | None) -> None:
    import asyncio
    import sys

    from gatepass.adapters import audit_csv
    from gatepass.cli.deployment import runtime_of, settings_of

    async def run() -> None:
        async with runtime_of(settings_of(data_dir)) as runtime:
            async for text in audit_csv.export(runtime.read, wanted):
                sys.stdout.write(text)

    asyncio.run(run())


def _full(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": str(event.id),
        "at": event.at,
        "event": event.event.value,
        "team_id": str(event.team_id) if event.team_id else None,
        "user_id": str(event.user_id) if event.user_id else None,
        "session_id": str(event.session_id) if event.session_id else None,
        "detail": event.detail,
    }


def _table(found: list[AuditEvent]) -> str:
    return table(
        ("at", "event", "team", "user", "session", "detail"),
        [
            (
                instant(event.at),
                event.event.value,
                event.team_id,
                event.user_id,
                event.session_id,
                " ".join(f"{name}={value}" for name, value in event.detail.items()),
            )
            for event in found
        ],
        empty="nothing",
    )

"""The audit log: filtered, paged by the last event seen, and as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gatepass.adapters import audit_csv
from gatepass.core import audit, operators, teams
from gatepass.core.audit import AuditEvent, Event, Filter
from gatepass.core.errors import InputRefused
from gatepass.core.ids import find_id
from gatepass.core.schema import DAY
from gatepass.core.unit import Unit
from gatepass.surfaces.console.access import AtDesk

router = APIRouter(prefix="/console")

PAGE = 50
FIELDS = ("team", "event", "user", "session", "from", "to")


@dataclass(frozen=True, slots=True)
class Shown:
    """One page of events, and the names that go with the ids in it."""

    events: list[AuditEvent]
    teams: dict[UUID, str]
    operators: dict[str, str]


@router.get("/audit")
async def list_events(request: Request, desk: AtDesk) -> Response:
    """A page of what happened, newest first; a filter that cannot be read is said beside the form."""
    asked = {name: request.query_params.get(name, "").strip() for name in FIELDS}
    problem: InputRefused | None = None
    wanted, before = audit.EVERYTHING, None
    try:
        wanted, before = filter_of(asked), _id(request.query_params.get("before", ""), "before")
    except InputRefused as refused:
        problem = refused
        if refused.field in ("from", "to"):
            asked[refused.field] = ""  # a date field can show nothing but dates

    async def work(unit: Unit) -> Shown:
        events = [] if problem else await audit.list_events(unit, wanted, before=before, limit=PAGE + 1)
        names = {team.id: team.name for team in await teams.list_all(unit)}
        return Shown(events, names, {str(one.id): one.name for one in await operators.list_all(unit)})

    shown = await desk.read(work)
    given = {name: value for name, value in asked.items() if value}
    events = shown.events[:PAGE]
    older = {**given, "before": str(events[-1].id)} if len(shown.events) > PAGE else None
    return desk.render(
        "audit.html",
        422 if problem else 200,
        problem=problem,
        asked=asked,
        events=events,
        team_names=shown.teams,
        operator_names=shown.operators,
        choices=[("", "All teams"), *((str(team_id), name) for team_id, name in shown.teams.items())],
        event_names=[("", "All events"), *((event.value, words_of(event)) for event in Event)],
        words_of=words_of,
        csv=f"/console/audit.csv?{urlencode(given)}",
        older=f"/console/audit?{urlencode(older)}" if older else None,
        newest=f"/console/audit?{urlencode(given)}" if before else None,
    )


@router.get("/audit.csv")
async def export_events(request: Request, desk: AtDesk) -> Response:
    """All that the filter lets through, streamed. Raises InputRefused."""
    wanted = filter_of({name: request.query_params.get(name, "").strip() for name in FIELDS})
    headers = {
        "cache-control": "no-store",
        "content-disposition": 'attachment; filename="gatepass-audit.csv"',
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(await audit_csv.begin(desk.read, wanted), headers=headers, media_type="text/csv")


def filter_of(asked: dict[str, str]) -> Filter:
    """What the form asks for; both of its days are part of it. Raises InputRefused."""
    if asked["event"] and asked["event"] not in set(Event):
        raise InputRefused("event", "is none that there is")
    until = _day(asked["to"], "to")
    return Filter(
        team_id=_id(asked["team"], "team"),
        user_id=_id(asked["user"], "user"),
        session_id=_id(asked["session"], "session"),
        event=Event(asked["event"]) if asked["event"] else None,
        since=_day(asked["from"], "from"),
        until=None if until is None else until + DAY,
    )


def _id(text: str, field: str) -> UUID | None:
    if text and find_id(text) is None:
        raise InputRefused(field, "is no id: an id has 32 hexadecimal digits and four hyphens")
    return find_id(text)


def _day(text: str, field: str) -> int | None:
    """The start of the day in UTC, epoch ms."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InputRefused(field, "is no day: write it like 2026-09-21") from None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def words_of(event: Event) -> str:
    """`Session ended`."""
    return event.value.replace("_", " ").capitalize()

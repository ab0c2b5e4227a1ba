"""The audit log and the daily numbers, by the admin API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from gatepass.adapters import audit_csv
from gatepass.core import audit, daily_counts, teams
from gatepass.core.audit import Filter
from gatepass.core.errors import InputRefused, NotFound
from gatepass.core.schema import DAY
from gatepass.core.unit import Unit
from gatepass.surfaces.admin import wire
from gatepass.surfaces.admin.documentation import documented
from gatepass.wiring import InRuntime

router = APIRouter(tags=["Admin: events"])

REFUSED = InputRefused("limit", "is not acceptable")


async def _filter(
    team_id: Annotated[UUID | None, Query(description="Only this team's.")] = None,
    user_id: Annotated[UUID | None, Query(description="Only this user's.")] = None,
    session_id: Annotated[UUID | None, Query(description="Only this session's.")] = None,
    event: Annotated[audit.Event | None, Query(description="Only events of this name.")] = None,
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="Only from this instant on (RFC 3339).")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(alias="to", description="Only before this instant (RFC 3339).")
    ] = None,
) -> Filter:
    return Filter(team_id, user_id, session_id, event, _ms(since), _ms(until))


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else wire.epoch_ms(instant)


Wanted = Annotated[Filter, Depends(_filter)]


@router.get("/events", **documented(wire.Events, REFUSED))
async def list_events(
    runtime: InRuntime,
    wanted: Wanted,
    before: Annotated[UUID | None, Query(description="Only older ones than this event.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> wire.Events:
    """What happened, newest first."""
    found = await runtime.read(lambda unit: audit.list_events(unit, wanted, before=before, limit=limit))
    events = [wire.AuditEvent.of(event) for event in found]
    return wire.Events(events=events, next=events[-1].id if len(events) == limit else None)


class Csv(StreamingResponse):
    """Lines of text, as they are read."""

    media_type = "text/csv"


_CSV: dict[str, Any] = {
    **documented(wire.Events, REFUSED),
    "response_model": None,
    "response_description": f"Its columns: {', '.join(audit_csv.HEADS)}.",
}


@router.get("/events.csv", response_class=Csv, **_CSV)
async def export_events(runtime: InRuntime, wanted: Wanted) -> Csv:
    """The same as CSV, all of it, streamed. Cells that a spreadsheet would take for a formula begin with an apostrophe."""
    text = await audit_csv.begin(runtime.read, wanted)
    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="gatepass-audit.csv"'}
    return Csv(text, headers=headers)


@router.get("/counts", **documented(wire.Counts, REFUSED, NotFound("team")))
async def read_counts(
    runtime: InRuntime,
    team_id: Annotated[UUID | None, Query(description="Only this team's; else of all together.")] = None,
    days: Annotated[int, Query(ge=1, le=366, description="How many, today included.")] = 30,
) -> wire.Counts:
    """What happened on each day (UTC), oldest first; a day on which nothing did is left out.

    For looking at: a process that is killed loses its last seconds. What has to be exact is in the events.
    """

    async def work(unit: Unit) -> wire.Counts:
        if team_id is not None:
            await teams.get(unit, team_id)
        found = await daily_counts.read(unit, since=unit.now - (days - 1) * DAY, team_id=team_id)
        return wire.Counts(days=[wire.Day.of_counts(day, counts) for day, counts in found.items()])

    return await runtime.read(work)

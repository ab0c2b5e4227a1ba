"""The audit log as CSV: whole, in order, and inert in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from gatepass.adapters import audit_csv
from gatepass.adapters.audit_csv import HEADS, export, lines
from gatepass.core import audit
from gatepass.core.audit import Event, Filter
from gatepass.core.unit import Unit
from harness import Server


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


async def exported(server: Server, wanted: Filter) -> list[list[str]]:
    return read("".join([text async for text in export(server.runtime.read, wanted)]))


async def note(server: Server, times: int, **more: Any) -> None:
    async def work(unit: Unit) -> None:
        for _ in range(times):
            await audit.record(unit, Event.OTP_LOCKED, team_id=server.team.id, **more)

    await server.runtime.transact(work)


async def test_every_event_is_there_once_newest_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_csv, "PAGE", 4)
    await note(server, 8)
    wanted = Filter(team_id=server.team.id)
    events = await server.runtime.read(lambda unit: audit.list_events(unit, wanted))
    heads, *rows = await exported(server, wanted)
    assert heads == list(HEADS)
    assert [row[-1] for row in rows] == [str(event.id) for event in events]
    assert len(rows) >= 8
    assert rows[0][:3] == ["2026-09-21T14:13:20.250Z", "otp_locked", str(server.team.id)]


async def test_a_log_with_nothing_to_show_is_a_head(server: Server) -> None:
    other, _, _ = await server.new_team()
    assert await exported(server, Filter(team_id=other.id, event=Event.OTP_LOCKED)) == [list(HEADS)]


async def test_details_are_words(server: Server) -> None:
    await note(server, 1, detail={"cause": "reuse", "presented": 3})
    _, row = await exported(server, Filter(team_id=server.team.id, event=Event.OTP_LOCKED))
    assert row[HEADS.index("detail")] == "cause=reuse presented=3"


@pytest.mark.parametrize("hostile", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0"])
def test_a_formula_becomes_text(hostile: str) -> None:
    ((cell,),) = read(lines([[hostile]]))
    assert cell == f"'{hostile}"


@pytest.mark.parametrize("hostile", ['say "hi"', "a,b", "two\nlines", "'; DROP TABLE x", "<script>", "é ß 你"])
def test_any_other_text_arrives_as_it_was(hostile: str) -> None:
    assert read(lines([[hostile, None, 3]])) == [[hostile, "", "3"]]

"""`gatepass audit`: the log, filtered, in three spellings."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import pytest

from harness import serve


@pytest.fixture
def team(gatepass: Any) -> str:
    """A team where ada signed in an hour before bob did."""

    async def sign_in() -> str:
        async with serve(gatepass.database_url) as server:
            await server.sign_in()
            server.clock.advance(seconds=3600)
            await server.sign_in("bob@example.com")
            return str(server.team.id)

    return asyncio.run(sign_in())


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def test_what_happened_is_told_newest_first(gatepass: Any, team: str) -> None:
    events = gatepass.json("audit", "--team", team)
    assert names(events)[:2] == ["session_opened", "user_created"]
    assert events[0].keys() == {"id", "at", "event", "team_id", "user_id", "session_id", "detail"}
    said = gatepass("audit", "--limit", "1")
    assert "session_opened" in said.out
    assert "proof=otp" in said.out
    assert len(said.out.splitlines()) == 2


def test_each_filter_narrows(gatepass: Any, team: str) -> None:
    opened = gatepass.json("audit", "--event", "session_opened")
    assert len(opened) == 2
    bob = opened[0]["user_id"]
    assert names(gatepass.json("audit", "--user", bob)) == ["session_opened", "user_created"]
    assert gatepass.json("audit", "--session", opened[1]["session_id"]) == [opened[1]]
    assert gatepass.json("audit", "--event", "session_opened", "--from", "2026-09-21T15:00:00Z") == opened[:1]
    assert gatepass.json("audit", "--event", "session_opened", "--to", "2026-09-21T17:00:00+02:00") == opened[1:]
    assert gatepass.json("audit", "--from", "2026-09-22") == []
    assert gatepass("audit", "--from", "2026-09-22").out == "nothing\n"


def test_csv_holds_them_all(gatepass: Any, team: str) -> None:
    said = gatepass("audit", "--csv", "--event", "session_opened")
    assert said.code == 0
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["id"] for row in rows] == [event["id"] for event in gatepass.json("audit", "--event", "session_opened")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--event", "nonsense"), "there is no event of that name"),
        (("--user", "ada"), "that is no id of a user"),
        (("--from", "yesterday"), "that is no day and no instant"),
        (("--csv", "--json"), "CSV and JSON are two things"),
    ],
)
def test_a_filter_that_says_nothing_is_refused_with_a_next_step(
    gatepass: Any, team: str, words: tuple[str, ...], said: str
) -> None:
    answer = gatepass("audit", *words)
    assert answer.code == 2
    assert said in answer.err
    assert "\nnext: " in answer.err

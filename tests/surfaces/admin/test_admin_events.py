"""The audit log and the daily numbers, by the admin API."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import UUID

import pytest
from administrator import Admin

from gatepass.adapters import audit_csv


async def test_events_are_found_by_team_user_session_name_and_time(admin: Admin) -> None:
    phone = await admin.server.sign_in()
    user_id = (await phone.userinfo()).json()["data"]["sub"]
    admin.server.clock.advance(seconds=3600)
    await admin.call("POST", f"{admin.team}/users/{user_id}/ban", {"reason": "x"})
    base = {"team_id": str(admin.server.team.id)}

    async def names(**wanted: str) -> list[str]:
        page = await admin.call("GET", "/events", params=wanted)
        return [event["event"] for event in page["events"]]

    assert await names(user_id=user_id) == ["user_banned", "session_ended", "session_opened", "user_created"]
    assert await names(**base, event="user_banned") == ["user_banned"]
    (banned,) = (await admin.call("GET", "/events", params={**base, "event": "user_banned"}))["events"]
    assert await names(user_id=user_id, **{"from": banned["at"]}) == ["user_banned", "session_ended"]
    assert await names(user_id=user_id, to=banned["at"]) == ["session_opened", "user_created"]
    assert await names(user_id=user_id, to="2026-09-21T16:13:20.250+01:00") == ["session_opened", "user_created"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"event": "nonsense"},
        {"team_id": "x"},
        {"user_id": "{00000000}"},
        {"from": "yesterday"},
        {"from": "2026-09-21"},
        {"from": "2026-09-21T10:00:00"},
        {"to": "9" * 400},
        {"before": "\x00"},
        {"limit": "501"},
    ],
    ids=str,
)
async def test_a_filter_that_says_nothing_is_refused_by_name(admin: Admin, wanted: dict[str, str]) -> None:
    problem = await admin.call("GET", "/events", params=wanted, expect=422)
    (name,) = wanted
    assert problem["field"] == name
    if name not in ("before", "limit"):
        assert (await admin.call("GET", "/events.csv", params=wanted, expect=422)) == problem


async def test_the_log_is_exported_whole(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_csv, "PAGE", 2)
    for _ in range(3):
        await admin.server.sign_in()
    wanted = {"team_id": str(admin.server.team.id)}
    page = (await admin.call("GET", "/events", params=wanted))["events"]
    answer = await admin.send("GET", "/events.csv", params=wanted)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="gatepass-audit.csv"'
    assert answer.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["id"], row["at"], row["event"]) for row in rows] == [
        (event["id"], event["at"], event["event"]) for event in page
    ]


@pytest.mark.parametrize("path", ["/events", "/events.csv", "/counts"])
async def test_nobody_reads_it_without_the_token(admin: Admin, path: str) -> None:
    answer = await admin.server.client.get(f"/admin/v1{path}")
    assert answer.status_code == 401


async def test_the_days_are_told_by_fact(admin: Admin) -> None:
    server = admin.server
    phone = await server.sign_in()
    await phone.refresh()
    server.clock.advance(seconds=86_400)
    await server.sign_in()
    await server.runtime.tally.write(server.runtime.transact)

    async def counts(**wanted: Any) -> Any:
        return (await admin.call("GET", "/counts", params={"team_id": str(server.team.id), **wanted}))["days"]

    of_a_sign_in = {"code.sent": 1, "code.verified": 1, "sign_in.otp": 1}
    assert await counts() == [
        {"day": "2026-09-21", "counts": {**of_a_sign_in, "refresh": 1}},
        {"day": "2026-09-22", "counts": of_a_sign_in},
    ]
    assert [day["day"] for day in await counts(days=1)] == ["2026-09-22"]
    everyone = (await admin.call("GET", "/counts", params={"days": 1}))["days"]
    assert {day["day"]: day["counts"] for day in everyone}["2026-09-22"]["sign_in.otp"] >= 1
    await admin.call("GET", "/counts", params={"team_id": str(UUID(int=0))}, expect=404)
    await admin.call("GET", "/counts", params={"days": 367}, expect=422)

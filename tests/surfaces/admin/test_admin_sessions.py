"""Sessions and what happened to them, by the admin API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from administrator import Admin


async def the_session(admin: Admin) -> tuple[str, dict[str, Any]]:
    """The path of the only user's sessions, and the newest of them."""
    (user,) = (await admin.call("GET", f"{admin.team}/users"))["users"]
    path = f"{admin.team}/users/{user['id']}/sessions"
    return path, (await admin.call("GET", path))["sessions"][0]


async def test_a_session_is_listed_with_its_device_and_ended(admin: Admin) -> None:
    phone = await admin.server.sign_in(deviceModel="Pixel 9")
    _, session = await the_session(admin)
    assert (session["state"], session["device_model"], session["proof"]) == ("open", "Pixel 9", "otp")
    path = f"{admin.team}/sessions/{session['id']}"
    assert await admin.call("GET", path) == session
    ended = await admin.call("DELETE", path)
    assert (ended["state"], ended["end_cause"]) == ("ended", "admin")
    assert (await phone.refresh()).status_code == 400
    admin.server.clock.advance(seconds=5)
    assert await admin.call("DELETE", path) == ended


async def test_a_user_is_signed_out_everywhere(admin: Admin) -> None:
    phones = [await admin.server.sign_in(), await admin.server.sign_in()]
    path, _ = await the_session(admin)
    assert await admin.call("DELETE", path) == {"ended": 2}
    assert [(await phone.refresh()).status_code for phone in phones] == [400, 400]
    assert await admin.call("DELETE", path) == {"ended": 0}
    assert {session["end_cause"] for session in (await admin.call("GET", path))["sessions"]} == {"admin"}


async def test_a_session_past_its_life_is_expired_though_nobody_ended_it(admin: Admin) -> None:
    await admin.server.sign_in()
    admin.server.clock.advance(seconds=181 * 86400)
    _, session = await the_session(admin)
    assert (session["state"], session["ended_at"]) == ("expired", None)


async def test_why_was_i_signed_out_is_answered(admin: Admin) -> None:
    phone = await admin.server.sign_in()
    await phone.sign_out()
    _, session = await the_session(admin)
    told = await admin.call("GET", f"{admin.team}/sessions/{session['id']}/explanation")
    assert told["session"] == session
    assert told["summary"].startswith("The device signed itself out")
    assert [moment["event"] for moment in told["timeline"]] == ["session_opened", "session_ended"]
    assert told["timeline"][0]["at"] == session["opened_at"]


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("GET", "/explanation")])
async def test_a_session_of_another_team_is_as_absent_as_one_that_never_was(
    admin: Admin, method: str, tail: str
) -> None:
    phone = await admin.server.sign_in()
    _, session = await the_session(admin)
    other = await admin.other_team()
    foreign = await admin.call(method, f"{other}/sessions/{session['id']}{tail}", expect=404)
    assert foreign == await admin.call(method, f"{other}/sessions/{uuid4()}{tail}", expect=404)
    assert (await phone.refresh()).status_code == 200


async def test_events_are_paged_newest_first_within_a_team_or_a_session(admin: Admin) -> None:
    await admin.server.sign_in()
    admin.server.clock.advance(seconds=1)
    _, session = await the_session(admin)
    await admin.call("DELETE", f"{admin.team}/sessions/{session['id']}")
    team = {"team_id": str(admin.server.team.id)}

    whole = await admin.call("GET", "/events", params=team)
    assert whole["events"][0]["event"] == "session_ended"
    assert whole["events"][0]["detail"] == {"cause": "admin"}
    assert whole["next"] is None
    assert {event["team_id"] for event in whole["events"]} == {team["team_id"]}

    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await admin.call("GET", "/events", params={**team, **cursor, "limit": 2})
        seen += page["events"]
        if page["next"] is None:
            break
        cursor = {"before": page["next"]}
    assert seen == whole["events"]

    of_session = await admin.call("GET", "/events", params={"session_id": session["id"]})
    assert [event["event"] for event in of_session["events"]] == ["session_ended", "session_opened"]

"""`gatepass sessions`: who is signed in where, and why no more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness import Phone, Server, serve


@pytest.fixture
def team(gatepass: Any) -> str:
    """A team with one phone signed in, as ada@example.com."""

    async def sign_in() -> str:
        async with serve(gatepass.database_url) as server:
            await server.sign_in(deviceModel="Pixel 9")
            return str(server.team.id)

    return asyncio.run(sign_in())


def the_session(gatepass: Any) -> dict[str, Any]:
    (session,) = gatepass.json("sessions", "list", "ada@example.com")
    found: dict[str, Any] = session
    return found


def test_a_users_sessions_are_listed(gatepass: Any, team: str) -> None:
    session = the_session(gatepass)
    assert session["team_id"] == team
    assert (session["proof"], session["device_model"], session["end_cause"]) == ("otp", "Pixel 9", None)
    assert "Pixel 9" in gatepass("sessions", "list", "ada@example.com").out


def test_an_ended_session_says_who_ended_it(gatepass: Any, team: str) -> None:
    session_id = the_session(gatepass)["session_id"]
    assert gatepass.json("sessions", "end", session_id) == {"ended": 1}
    assert gatepass.json("sessions", "end", session_id) == {"ended": 0}
    assert the_session(gatepass)["end_cause"] == "admin"
    told = gatepass.json("sessions", "explain", session_id)
    assert told.keys() == {"session", "summary", "timeline"}
    assert "administrator" in told["summary"]
    assert [moment["event"] for moment in told["timeline"]] == ["session_opened", "session_ended"]
    story = gatepass("sessions", "explain", session_id).out
    assert story.startswith(told["summary"])
    assert all(moment["words"] in story for moment in told["timeline"])


def test_all_sessions_of_a_user_end_at_once(gatepass: Any, team: str) -> None:
    assert gatepass.json("sessions", "end", "--user", "ada@example.com") == {"ended": 1}
    assert the_session(gatepass)["end_cause"] == "admin"


def test_a_stolen_token_is_explained(gatepass: Any) -> None:
    async def steal(server: Server) -> None:
        phone: Phone = await server.sign_in()
        stolen = phone.refresh_token
        await phone.refresh()
        await phone.userinfo()
        server.clock.advance(seconds=3600)
        assert (await phone.refresh(stolen)).status_code == 400

    async def story() -> None:
        async with serve(gatepass.database_url) as server:
            await steal(server)

    asyncio.run(story())
    told = gatepass.json("sessions", "explain", the_session(gatepass)["session_id"])
    assert told["session"]["end_cause"] == "reuse"
    assert "stolen" in told["summary"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("sessions", "end"), 2, "name a session, or a user"),
        (("sessions", "end", "2f0d8f7e-54b7-4f0e-9d0d-6f3a2c1b0a99"), 1, "there is no such session"),
        (("sessions", "explain", "nonsense"), 2, "that is no id of a session"),
        (("sessions", "list", "bob@example.com"), 1, "there is no such user"),
    ],
)
def test_what_cannot_be_is_refused_with_a_next_step(
    gatepass: Any, team: str, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = gatepass(*words)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert "\nnext: " in answer.err

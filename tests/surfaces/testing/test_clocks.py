"""A world's clock decides everything in it, and shows in everything that it says."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import jwt
import pytest
from plane import Plane, World

from backend import USERS, MobileApp
from harness import VERIFY

HOUR, DAY = 3600, 86_400


def said(answer: httpx.Response) -> datetime:
    """The time that an answer gives."""
    return parsedate_to_datetime(answer.headers["date"])


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


async def server_time(plane: Plane) -> datetime:
    return datetime.fromtimestamp(plane.worlds.clock.server.now() // 1000, UTC)


async def junction(world: World) -> MobileApp:
    """An app that exchanged a sign-in token for its session."""
    user = await world.mint("users", client_user_id="member-1")
    token = await world.mint("sign-in-tokens", user_id=user["user_id"])
    answer = await world.exchange(token["sign_in_token"])
    assert answer.status_code == 200, answer.text
    return MobileApp(world.plane.server, answer.json())


async def test_a_clock_starts_with_the_servers_and_moves_alone(plane: Plane) -> None:
    moved, other = await plane.make(), await plane.make()
    assert (await moved.call("GET", "/clock")).json()["offset_seconds"] == 0
    assert (await moved.advance(90.5))["offset_seconds"] == 90.5
    assert (await moved.advance(-0.5))["offset_seconds"] == 90
    assert (await moved.call("PUT", "/clock", {"offset_seconds": -5})).json()["offset_seconds"] == -5
    assert (await moved.call("GET", "/clock")).json()["offset_seconds"] == -5
    assert (await other.call("GET", "/clock")).json() == {
        "offset_seconds": 0,
        "now": "2026-09-21T14:13:20.250Z",
        "stands": False,
    }


async def test_a_clock_that_stands_moves_only_when_told(plane: Plane) -> None:
    world = await plane.make()
    await world.stand("2030-01-01T00:00:00+01:00")
    plane.clock.advance(seconds=HOUR)
    assert (await world.call("GET", "/clock")).json()["now"] == "2029-12-31T23:00:00.000Z"
    clock = await world.advance(60)
    assert (clock["now"], clock["stands"]) == ("2029-12-31T23:01:00.000Z", True)
    running = (await world.call("PUT", "/clock", {"offset_seconds": 0})).json()
    assert (running["offset_seconds"], running["stands"]) == (0, False)


async def test_every_answer_of_a_world_is_dated_by_its_clock_and_no_other_is(plane: Plane) -> None:
    world, other = await plane.make(), await plane.make()
    phone, app = await world.sign_in(), await junction(world)
    await world.advance(10 * 60)
    ahead, at_home = [], []
    ahead.append(await phone.userinfo())
    ahead.append(await phone.refresh())
    ahead.append(await app.refresh())
    ahead.append(await app.read())
    ahead.append(await plane.client.get("/userinfo", headers=app.bearer))
    ahead.append(await plane.client.get(f"{USERS}/{app.user_id}", headers={"x-vital-api-key": world.secret_key}))
    ahead.append(await world.post(VERIFY, {"transactionId": "none", "code": "000000"}))
    ahead.append(await plane.client.post("/v1/token", json={"token": app.tokens["refresh_token"]}))
    at_home.append(await plane.client.get("/livez"))
    at_home.append(await (await other.sign_in()).userinfo())
    at_home.append(await plane.client.get("/nowhere"))
    now = await server_time(plane)
    assert [(said(answer) - now).total_seconds() for answer in ahead] == [600] * len(ahead)
    assert [(said(answer) - now).total_seconds() for answer in at_home] == [0] * len(at_home)
    assert {answer.headers["x-gatepass-test-mode"] for answer in (*ahead, *at_home)} == {"1"}
    assert {len(answer.headers.get_list("date")) for answer in ahead} == {1}


async def test_lives_are_counted_from_the_worlds_own_instant(plane: Plane) -> None:
    world = await plane.make()
    await world.stand("2031-02-03T04:05:06Z")
    now = int(datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp())
    phone, app = await world.sign_in(), await junction(world)
    token = claims(phone.bundle["token"])
    assert token["iat"] == now
    assert token["exp"] == phone.bundle["tokenExpiry"] // 1000 == now + phone.bundle["tokenLifeMS"] // 1000
    token = claims(app.tokens["access_token"])
    assert (token["iat"], token["exp"]) == (now, now + app.tokens["expires_in"])


async def test_an_access_token_expires_when_its_world_says_so(plane: Plane) -> None:
    world, other = await plane.make(), await plane.make()
    phone, app, bystander = await world.sign_in(), await junction(world), await other.sign_in()
    await world.advance(HOUR + 61)
    assert [(await phone.userinfo()).json()["error"]["code"], (await app.read()).status_code] == [1000, 401]
    assert (await bystander.userinfo()).status_code == 200
    assert [(await phone.refresh()).status_code, (await app.refresh()).status_code] == [200, 200]
    assert [(await phone.userinfo()).status_code, (await app.read()).status_code] == [200, 200]


async def test_an_idle_session_expires_when_its_world_says_so(plane: Plane) -> None:
    world = await plane.make()
    phone, app = await world.sign_in(), await junction(world)
    await world.advance(91 * DAY)
    assert (await phone.refresh()).status_code == 200
    assert (await app.refresh()).json()["error"] == "invalid_grant"
    await world.advance(180 * DAY)
    assert (await phone.refresh()).status_code == 400


@pytest.mark.parametrize(("seconds", "status"), [(599, 200), (601, 400)])
async def test_a_code_expires_when_its_world_says_so(plane: Plane, seconds: int, status: int) -> None:
    world = await plane.make()
    asked = await world.ask_for_code()
    await world.advance(seconds)
    answer = await world.post(VERIFY, {"transactionId": asked["transactionId"], "code": asked["userCode"]})
    assert answer.status_code == status, answer.text


async def test_a_spent_token_is_a_retry_inside_the_worlds_window_and_theft_behind_it(plane: Plane) -> None:
    world = await plane.make()
    phone, app = await world.sign_in(), await junction(world)
    spent, app_spent = phone.refresh_token, app.tokens["refresh_token"]
    for keeper in (phone, app):
        assert (await keeper.refresh()).status_code == 200
    assert [(await phone.userinfo()).status_code, (await app.read()).status_code] == [200, 200]
    await world.advance(29)
    assert [(await phone.refresh(spent)).status_code, (await app.refresh(app_spent)).status_code] == [200, 200]
    await world.advance(32)
    assert (await phone.refresh(spent)).status_code == 400
    assert (await app.refresh(app_spent)).json()["error"] == "invalid_grant"
    assert [(await phone.userinfo()).status_code, (await app.read()).status_code] == [400, 401]


async def test_a_ban_by_the_admin_api_is_dated_in_the_world(plane: Plane) -> None:
    world = await plane.make()
    await world.stand("2040-01-01T00:00:00Z")
    phone = await world.sign_in()
    user_id = claims(phone.bundle["token"])["sub"]
    path = f"/admin/v1/teams/{world.team_id}/users/{user_id}/ban"
    answer = await plane.client.post(path, json={"reason": "Chargeback"}, headers=plane.server.admin)
    assert answer.json()["banned_at"] == "2040-01-01T00:00:00.000Z"
    assert (await phone.userinfo()).json()["error"]["message"] == "Account suspended"


async def test_what_no_clock_can_show_is_refused(plane: Plane) -> None:
    world = await plane.make()
    for body in ({"offset_seconds": 1e10}, {"offset_seconds": -1e10}, {"at": "1999-01-01T00:00:00Z"}):
        assert (await world.call("PUT", "/clock", body)).status_code == 422, body
    assert (await world.call("POST", "/clock/advance", {"seconds": -30 * 365 * DAY})).status_code == 422
    assert (await world.call("GET", "/clock")).json()["offset_seconds"] == 0


async def test_the_purge_goes_by_the_clock_that_is_furthest_behind(plane: Plane) -> None:
    behind, ahead = await plane.make(), await plane.make()
    await behind.advance(-100 * DAY)
    await ahead.advance(100 * DAY)
    for world in (behind, ahead):
        await world.ask_for_code()
    await plane.deliver()
    await plane.worker().sweep()
    assert [len(await world.messages()) for world in (behind, ahead)] == [1, 1]
    assert (await plane.call("DELETE", f"/worlds/{behind.team_id}")).status_code == 204
    plane.clock.advance(seconds=108 * DAY)
    await plane.worker().sweep()
    assert await ahead.messages() == []

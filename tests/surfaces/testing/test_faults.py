"""Faults in process: which call is struck, how often, and what it gets. The wire's own stories are beside this."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from plane import Plane, World

from backend import LOCAL_TOKEN, USERS
from gatepass.main import create_app
from harness import LOGIN, REFRESH, SIGN_OUT, USERINFO, Phone, settings

DROP = {"kind": "commit_then_drop"}
TEAPOT = {"kind": "status", "status": 418}


async def order(world: World, *faults: dict[str, Any]) -> list[dict[str, Any]]:
    """Set the world's faults; how they stand."""
    answer = await world.call("PUT", "/faults", list(faults))
    assert answer.status_code == 200, answer.text
    standing: list[dict[str, Any]] = answer.json()
    return standing


async def standing(world: World) -> list[tuple[int, int, int | None]]:
    """What each fault has seen, how often it fired, and what is left."""
    return [(one["seen"], one["fired"], one["left"]) for one in (await world.call("GET", "/faults")).json()]


@pytest.fixture
async def lossy(sqlite_plane: Plane) -> AsyncIterator[Plane]:
    """A client that sees what the application raises, as httpx's transport does unless told otherwise."""
    usual, strict = sqlite_plane.client, httpx.ASGITransport(sqlite_plane.server.app)
    async with httpx.AsyncClient(transport=strict, base_url="http://gatepass.test") as client:
        sqlite_plane.server.client = client
        yield sqlite_plane
        sqlite_plane.server.client = usual


async def statuses(phone: Phone, count: int) -> list[int]:
    return [(await phone.userinfo()).status_code for _ in range(count)]


# What happens.


async def test_a_lost_answer_is_committed_and_the_old_token_recovers(plane: Plane) -> None:
    world = await plane.make()
    phone = await world.sign_in()
    spent = phone.refresh_token
    await order(world, {"match": {"path": REFRESH}, "do": {"kind": "commit_then_503", "retry_after": 3}})
    lost = await phone.refresh()
    assert (lost.status_code, lost.headers["retry-after"], lost.json()["error"]["code"]) == (503, "3", 1191)
    assert phone.refresh_token == spent
    recovered = await phone.refresh()
    assert recovered.status_code == 200
    again = await phone.refresh(spent)
    assert again.json()["data"]["refreshToken"] == recovered.json()["data"]["refreshToken"], "rotated once, not thrice"
    assert (await phone.userinfo()).status_code == 200


@pytest.mark.parametrize("kind", ["commit_then_drop", "truncate"])
async def test_a_broken_connection_is_a_read_error(lossy: Plane, kind: str) -> None:
    world = await lossy.make()
    phone = await world.sign_in()
    await order(world, {"match": {"path": SIGN_OUT}, "do": {"kind": kind}})
    with pytest.raises(httpx.ReadError):
        await phone.sign_out()
    assert (await phone.userinfo()).status_code == 400, "it was signed out all the same"


async def test_a_hanging_call_is_handled_and_ends_as_a_broken_connection(lossy: Plane) -> None:
    world = await lossy.make()
    phone = await world.sign_in()
    await order(world, {"match": {"path": SIGN_OUT}, "do": {"kind": "hang", "delay_ms": 200}})
    began = time.monotonic()
    with pytest.raises(httpx.ReadError):
        await phone.sign_out()
    assert time.monotonic() - began > 0.19
    assert (await phone.userinfo()).status_code == 400


async def test_a_caller_with_little_patience_leaves_a_call_that_hangs(lossy: Plane) -> None:
    world = await lossy.make()
    phone = await world.sign_in()
    await order(world, {"do": {"kind": "hang"}})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await phone.userinfo()
    assert (await phone.userinfo()).status_code == 200


async def test_an_answer_may_come_late(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await order(world, {"do": {"kind": "delay", "delay_ms": 200}})
    began = time.monotonic()
    assert (await phone.userinfo()).status_code == 200
    assert time.monotonic() - began > 0.19


async def test_a_call_may_be_delivered_twice(sqlite_plane: Plane) -> None:
    """As a proxy that retries would: the app gets the second answer, and must live with it."""
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await order(world, {"match": {"path": REFRESH}, "do": {"kind": "duplicate"}})
    assert (await phone.refresh()).status_code == 200
    assert (await phone.userinfo()).status_code == 200
    await order(world, {"match": {"path": SIGN_OUT}, "do": {"kind": "duplicate"}})
    assert (await phone.sign_out()).status_code == 400, "the first delivery signed it out"


async def test_a_body_too_long_to_look_at_arrives_whole_and_once(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    await order(world, {"match": {"path": LOGIN}, "do": {"kind": "duplicate"}})
    answer = await world.post(LOGIN, {"email": "ada@example.com", "padding": "x" * 100_000})
    assert answer.json()["error"]["code"] == 1152, "too large, as ever"


# Instead of the handler, in the dialect's own words.


@pytest.mark.parametrize(
    ("status", "code"), [(400, 1100), (401, 1000), (403, 1000), (404, 1150), (429, 1140), (500, 1190), (502, 1191)]
)
async def test_elixir_says_any_status_in_its_envelope(sqlite_plane: Plane, status: int, code: int) -> None:
    world = await sqlite_plane.make()
    await order(world, {"do": {"kind": "status", "status": status}})
    answer = await world.post(LOGIN, {"email": "ada@example.com"})
    body = answer.json()
    assert (answer.status_code, body["code"], body["success"]) == (status, -1, False)
    assert (body["error"]["status"], body["error"]["code"]) == (status, code)
    assert await world.messages() == []


@pytest.mark.parametrize("status", [401, 404, 409, 429, 500, 503])
async def test_junction_says_any_status_in_its_own_way(sqlite_plane: Plane, status: int) -> None:
    world = await sqlite_plane.make()
    await order(world, {"match": {"path": f"{USERS}*"}, "do": {"kind": "status", "status": status}})
    headers = {"x-vital-api-key": world.secret_key}
    answer = await sqlite_plane.client.get(f"{USERS}/00000000-0000-4000-8000-000000000000", headers=headers)
    assert answer.status_code == status
    assert "detail" in answer.json()


async def test_a_limit_says_when_to_come_back(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await order(world, {"do": {"kind": "status", "status": 429, "retry_after": 17}})
    answer = await phone.refresh()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "17")
    assert (await phone.refresh()).status_code == 200


async def test_a_storm_of_401_passes_after_its_times(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await order(world, {"match": {"path": USERINFO}, "do": {"kind": "status", "status": 401}, "times": 3})
    assert await statuses(phone, 5) == [401, 401, 401, 200, 200]
    assert await standing(world) == [(5, 3, 0)]


# Which calls.


async def test_the_nth_call_is_struck_and_those_behind_it_as_often_as_wanted(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await order(world, {"match": {"path": USERINFO, "nth": 2}, "do": TEAPOT})
    assert await statuses(phone, 4) == [200, 418, 200, 200]
    await order(world, {"match": {"path": USERINFO, "nth": 2}, "do": TEAPOT, "times": 2})
    assert await statuses(phone, 4) == [200, 418, 418, 200]
    await order(world, {"match": {"path": USERINFO, "nth": 2}, "do": TEAPOT, "times": 0})
    assert await statuses(phone, 4) == [200, 418, 418, 418]
    assert await standing(world) == [(4, 3, None)]


async def test_of_several_the_first_that_is_due_strikes_and_all_count(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    one, other = {"kind": "status", "status": 500}, {"kind": "status", "status": 503}
    await order(world, {"do": one, "times": 2}, {"match": {"nth": 2}, "do": other, "times": 2})
    assert await statuses(phone, 5) == [500, 500, 503, 503, 200]


@pytest.mark.parametrize(
    ("match", "struck"),
    [
        ({"path": REFRESH}, ["refresh"]),
        ({"path": "/sdk/auth/*"}, ["login", "refresh"]),
        ({"path": "*/session/refresh"}, ["refresh"]),
        ({"method": "get"}, ["userinfo"]),
        ({"method": "POST"}, ["login", "refresh"]),
        ({"path": USERINFO, "method": "POST"}, []),
        ({"user": "ada@example.com"}, ["login", "userinfo", "refresh"]),
        ({"user": "bob@example.com"}, []),
        ({}, ["login", "userinfo", "refresh"]),
    ],
)
async def test_calls_are_told_apart(sqlite_plane: Plane, match: dict[str, Any], struck: list[str]) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await order(world, {"match": match, "do": TEAPOT, "times": 0})
    answers = {
        "login": await world.post(LOGIN, {"email": "ada@example.com"}),
        "userinfo": await phone.userinfo(),
        "refresh": await phone.refresh(),
    }
    assert [name for name, answer in answers.items() if answer.status_code == 418] == struck


async def test_one_user_is_struck_by_id_or_address_and_the_others_are_not(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    ada, bob = await world.sign_in("ada@example.com"), await world.sign_in("bob@example.com")
    for named in ("ada@example.com", ada.bundle["user"]["_id"]):
        await order(world, {"match": {"user": named}, "do": TEAPOT, "times": 0})
        assert [(await phone.refresh()).status_code for phone in (ada, bob)] == [418, 200]
        assert [(await phone.userinfo()).status_code for phone in (ada, bob)] == [418, 200]


async def test_a_route_is_named_by_its_template_too(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    user = await world.mint("users", client_user_id="member-1")
    await order(world, {"match": {"path": "/v2/user/{user_id}", "user": user["user_id"]}, "do": TEAPOT})
    headers = {"x-vital-api-key": world.secret_key}
    assert (await sqlite_plane.client.get(f"{USERS}/{user['user_id']}/", headers=headers)).status_code == 418


async def test_calls_without_a_key_find_their_world_by_their_tokens(sqlite_plane: Plane) -> None:
    world, other = await sqlite_plane.make(), await sqlite_plane.make()
    user = await world.mint("users", client_user_id="member-1")
    token = (await world.mint("sign-in-tokens", user_id=user["user_id"]))["sign_in_token"]
    for each in (world, other):
        await order(each, {"match": {"path": LOCAL_TOKEN}, "do": DROP | {"kind": "commit_then_503"}, "times": 2})
    assert (await world.exchange(token)).status_code == 503
    opened = await world.exchange(token)
    assert opened.status_code == 503
    opened = await world.exchange(token)
    assert opened.status_code == 200, "the exchange is repeated while its session is unused"
    await order(world, {"match": {"path": LOCAL_TOKEN}, "do": TEAPOT})
    form = {"grant_type": "refresh_token", "refresh_token": opened.json()["refresh_token"]}
    assert (await sqlite_plane.client.post(LOCAL_TOKEN, data=form)).status_code == 418
    assert await standing(other) == [(0, 0, 2)]


async def test_two_worlds_share_no_fault(sqlite_plane: Plane) -> None:
    one, other = await sqlite_plane.make(), await sqlite_plane.make()
    phones = [await one.sign_in(), await other.sign_in()]
    await order(one, {"do": TEAPOT, "times": 0})
    assert [(await phone.userinfo()).status_code for phone in phones] == [418, 200]
    assert (await other.call("GET", "/faults")).json() == []


async def test_a_call_of_no_world_meets_no_fault(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    await order(world, {"do": TEAPOT, "times": 0})
    assert (await sqlite_plane.client.get("/livez")).status_code == 200
    assert (await world.call("GET", "/clock")).status_code == 200


# Chance.


async def test_chance_repeats_itself_under_one_seed(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()

    async def fate(seed: int) -> list[int]:
        await order(world, {"match": {}, "do": TEAPOT, "probability": 0.5, "seed": seed, "times": 0})
        return await statuses(phone, 16)

    first = await fate(7)
    assert {200, 418} == set(first)
    assert await fate(7) == first
    assert await fate(8) != first


# Order, look, clear.


async def test_faults_replace_those_before_and_are_cleared(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await order(world, {"do": TEAPOT, "times": 0}, {"do": DROP})
    (only,) = await order(world, {"match": {"path": USERINFO}, "do": TEAPOT})
    assert only == {
        "match": {"path": USERINFO, "method": None, "user": None, "nth": 1},
        "do": {"kind": "status", "status": 418, "delay_ms": None, "retry_after": None},
        "times": 1,
        "probability": 1.0,
        "seed": None,
        "seen": 0,
        "fired": 0,
        "left": 1,
    }
    assert (await world.call("DELETE", "/faults")).status_code == 204
    assert (await world.call("GET", "/faults")).json() == []
    assert (await phone.userinfo()).status_code == 200


async def test_a_fault_that_makes_no_sense_is_refused(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    for fault in (
        {},
        {"do": {"kind": "explode"}},
        {"do": {"kind": "status"}},
        {"do": {"kind": "status", "status": 200}},
        {"do": {"kind": "hang", "status": 503}},
        {"do": {"kind": "delay"}},
        {"do": {"kind": "delay", "delay_ms": 1, "retry_after": 1}},
        {"do": DROP, "probability": 0},
        {"do": DROP, "probability": 1.1},
        {"do": DROP, "times": -1},
        {"do": DROP, "match": {"nth": 0}},
        {"do": DROP, "match": {"pth": REFRESH}},
    ):
        assert (await world.call("PUT", "/faults", [fault])).status_code == 422, fault
    assert (await world.call("GET", "/faults")).json() == []


async def test_a_fault_for_no_route_is_refused_with_the_nearest_ones(sqlite_plane: Plane) -> None:
    """A slip in a path would else be a test that passes because nothing went wrong."""
    world = await sqlite_plane.make()
    slip = REFRESH.replace("refresh", "refesh")
    answer = await world.call("PUT", "/faults", [{"do": TEAPOT}, {"match": {"path": slip}, "do": TEAPOT}])
    assert answer.status_code == 422
    assert f"1.match.path is no route; near ones are: POST {REFRESH}" in answer.json()["detail"]


async def test_faults_are_for_the_bearer_of_the_admin_token(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    for method, path in (("PUT", "faults"), ("DELETE", "faults"), ("GET", "faults"), ("GET", "requests")):
        answer = await sqlite_plane.client.request(method, f"/_test/worlds/{world.team_id}/{path}", json=[])
        assert answer.status_code == 401


async def test_a_world_that_is_no_more_has_no_faults(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    await order(world, {"do": TEAPOT})
    assert (await sqlite_plane.call("DELETE", f"/worlds/{world.team_id}")).status_code == 204
    assert (await world.call("GET", "/faults")).status_code == 404
    assert (await world.call("PUT", "/faults", [{"do": TEAPOT}])).status_code == 404


async def test_production_is_assembled_without_any_of_it(sqlite_url: str) -> None:
    def layers(app: Any) -> list[str]:
        found = []
        layer = app.build_middleware_stack()
        while layer is not None:
            found.append(type(layer).__name__)
            layer = getattr(layer, "app", None)
        return found

    production = create_app(settings(sqlite_url), worker=False)
    tested = create_app(settings(sqlite_url, test_mode=True), worker=False)
    try:
        assert layers(tested) == ["Door", "Interception", *layers(production)]
        assert "Interception" not in layers(production)
        assert not hasattr(production.state, "traffic")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(production), base_url="http://gatepass.test"
        ) as client:
            assert (await client.get("/_test/requests/unmatched")).status_code == 404
    finally:
        for app in (production, tested):
            await app.state.runtime.close()

"""Worlds: alone among many, and gone without a trace."""

from __future__ import annotations

import asyncio

import jwt
import pytest
from plane import ADMIN, Plane, World, in_test_mode
from sqlalchemy import func, select

from gatepass.core.schema import metadata
from gatepass.core.signing_keys import Ring
from gatepass.core.unit import Unit
from harness import LOGIN, Server, serve

PARALLEL = 500
RESETS = 1000


async def rows(server: Server) -> dict[str, int]:
    """How many rows each table has."""

    async def count(unit: Unit) -> dict[str, int]:
        return {
            table.name: await unit.db.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }

    return await server.runtime.read(count)


async def live(world: World) -> None:
    """Leave a row in every table that a world can have rows in."""
    phone = await world.sign_in()
    await phone.refresh()
    await world.mint("users", banned=True)
    await world.mint("qr")
    await world.mint("sign-in-tokens")
    await world.advance(60)
    await world.call("POST", "/snapshot")
    headers = {"x-vital-api-key": world.secret_key, "x-vital-ios-sdk-version": "4.1.2"}
    assert (await world.plane.client.get("/v2/user/resolve/nobody", headers=headers)).status_code == 404


async def test_many_worlds_in_parallel_do_not_see_each_other(sqlite_plane: Plane) -> None:
    slots = asyncio.Semaphore(20)

    async def one(number: int) -> tuple[World, str]:
        async with slots:
            world = await sqlite_plane.make(name=f"World {number}")
            if number % 10 == 0:
                await world.advance(number * 3600)
            return world, (await world.sign_in()).bundle["token"]

    made = await asyncio.gather(*(one(number) for number in range(PARALLEL)))
    await sqlite_plane.deliver()
    told = [jwt.decode(token, options={"verify_signature": False}) for _, token in made]
    assert len({claims["sub"] for claims in told}) == PARALLEL
    assert [claims["iss"] for claims in told] == [world.team_id for world, _ in made]
    now = sqlite_plane.clock.now() // 1000
    assert [claims["iat"] - now for claims in told] == [n * 3600 if n % 10 == 0 else 0 for n in range(PARALLEL)]
    for world, _ in made[::100]:
        assert [message["to"] for message in await world.messages()] == ["ada@example.com"]


async def test_one_worlds_keys_tokens_and_codes_are_nothing_in_another(plane: Plane) -> None:
    world, other = await plane.make(), await plane.make()
    phone = await world.sign_in()
    phone.key = other.publishable_key
    assert [(await phone.refresh()).status_code, (await phone.userinfo()).status_code] == [400, 400]
    token = await world.mint("sign-in-tokens")
    headers = {"x-vital-api-key": other.secret_key}
    assert (await plane.client.get(f"/v2/user/{token['user_id']}", headers=headers)).status_code == 404


async def test_a_dropped_world_leaves_nothing(plane: Plane) -> None:
    await plane.deliver()
    before, held = await rows(plane.server), plane.worlds.held
    world = await plane.make()
    await live(world)
    await plane.deliver()
    assert (await plane.call("DELETE", f"/worlds/{world.team_id}")).status_code == 204
    after = await rows(plane.server)
    assert {name: count for name, count in after.items() if count != before[name]} == {"known_clients": 1}
    assert plane.worlds.held == held
    assert (await plane.server.post(LOGIN, {"email": "a@example.com"}, key=world.publishable_key)).status_code == 400
    assert (await world.call("GET", "/clock")).status_code == 404
    assert (await plane.call("DELETE", f"/worlds/{world.team_id}")).status_code == 404


async def test_a_reset_drops_every_world_and_no_other_team(plane: Plane) -> None:
    await plane.deliver()
    before = await rows(plane.server)
    worlds = [await plane.make(seed=1), await plane.make()]
    for world in worlds:
        await live(world)
    own = World(plane, str(plane.server.team.id), "", plane.server.development_key, "")
    await own.advance(3600)
    await plane.deliver()
    assert (await plane.call("POST", "/reset")).status_code == 204
    assert await rows(plane.server) == before
    assert plane.worlds.held == 0
    assert await plane.server.runtime.keyring.keys(Ring.SIGN_IN, plane.server.team.id) == []
    assert (await own.call("GET", "/clock")).json()["offset_seconds"] == 0
    assert (await own.sign_in()).bundle["token"]


async def test_a_thousand_resets_leave_nothing(sqlite_plane: Plane) -> None:
    await sqlite_plane.deliver()
    before = await rows(sqlite_plane.server)
    for number in range(RESETS):
        world = await sqlite_plane.make(seed="again")
        if number % 100 == 0:
            await live(world)
            await sqlite_plane.deliver()
        assert (await sqlite_plane.call("POST", "/reset")).status_code == 204
    assert await rows(sqlite_plane.server) == before
    assert sqlite_plane.worlds.held == 0
    assert len(sqlite_plane.worlds.arrivals) == 0


async def test_a_team_that_was_not_made_here_is_not_dropped(plane: Plane) -> None:
    answer = await plane.call("DELETE", f"/worlds/{plane.server.team.id}")
    assert (answer.status_code, answer.json()["detail"]) == (409, "this team was not made as a world.")
    assert (await plane.server.sign_in()).bundle["token"]


async def test_a_seeded_world_does_not_outlive_its_process_for_its_chance_is_in_memory(database_url: str) -> None:
    async with serve(database_url, test_mode=True) as server:
        first, plain = await Plane(server).make(seed="s"), await Plane(server).make()
    async with in_test_mode(database_url) as plane:
        second = await plane.make(seed="s")
        assert second == World(plane, *[getattr(first, name) for name in list(vars(first))[1:]])
        plain.plane = plane
        assert (await plain.sign_in()).bundle["token"]


async def test_without_test_mode_there_is_no_control_plane(server: Server) -> None:
    team = server.team.id
    for method, path in (
        ("POST", "/worlds"),
        ("POST", "/reset"),
        ("GET", f"/worlds/{team}/clock"),
        ("PUT", f"/worlds/{team}/clock"),
        ("GET", f"/worlds/{team}/messages"),
        ("POST", f"/worlds/{team}/users"),
    ):
        answer = await server.client.request(method, f"/_test{path}", headers=ADMIN, json={})
        assert answer.status_code == 404, path
        assert "x-gatepass-test-mode" not in answer.headers


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", "Basic YTpi", f"Basic {ADMIN}"])
async def test_only_the_bearer_of_the_admin_token_may(sqlite_plane: Plane, authorization: str) -> None:
    for method, path in (
        ("POST", "/worlds"),
        ("POST", "/reset"),
        ("GET", f"/worlds/{sqlite_plane.server.team.id}/clock"),
    ):
        answer = await sqlite_plane.client.request(method, f"/_test{path}", headers={"authorization": authorization})
        assert (answer.status_code, answer.headers["cache-control"]) == (401, "no-store")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_without_an_admin_token_nobody_may(sqlite_url: str) -> None:
    async with serve(sqlite_url, test_mode=True, admin_token=None) as server:
        answer = await Plane(server).call("POST", "/worlds")
        assert (answer.status_code, answer.json()["detail"]) == (403, "GATEPASS_ADMIN_TOKEN is not set")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/worlds", {"name": ""}),
        ("POST", "/worlds", {"name": "x" * 101}),
        ("POST", "/worlds", {"name": "a\nb"}),
        ("POST", "/worlds", {"seed": ""}),
        ("POST", "/worlds", {"seed": "a\0b"}),
        ("POST", "/worlds", {"seed": "x" * 101}),
        ("POST", "/worlds", {"seed": ["a"]}),
        ("POST", "/worlds", {"sede": "a"}),
        ("POST", "/worlds", []),
        ("PUT", "/worlds/{}/clock", {}),
        ("PUT", "/worlds/{}/clock", {"offset_seconds": "soon"}),
        ("PUT", "/worlds/{}/clock", {"offset_seconds": 1, "at": "2026-05-01T12:00:00Z"}),
        ("PUT", "/worlds/{}/clock", {"at": "2026-05-01T12:00:00"}),
        ("POST", "/worlds/{}/clock/advance", {}),
        ("POST", "/worlds/{}/clock/advance", {"seconds": None}),
        ("POST", "/worlds/{}/restore", {}),
        ("POST", "/worlds/{}/users", {"email": "nobody"}),
        ("POST", "/worlds/{}/sessions", {"surface": "carrier-pigeon"}),
        ("POST", "/worlds/{}/sessions", {"ended": "team_gone"}),
        ("POST", "/worlds/{}/sign-in-tokens", {"state": "lost"}),
        ("POST", "/worlds/{}/qr", {"state": 1}),
        ("GET", "/worlds/{}/messages/wait?timeout=61", None),
        ("GET", "/worlds/{}/messages/wait?timeout=-1", None),
        ("GET", "/worlds/{}/messages/wait?after=x", None),
        ("GET", "/worlds/x/clock", None),
    ],
)
async def test_bad_input_is_refused(sqlite_plane: Plane, method: str, path: str, body: object) -> None:
    answer = await sqlite_plane.call(method, path.format(sqlite_plane.server.team.id), body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_no_such_world(sqlite_plane: Plane) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    for method, path, body in (
        ("GET", "/clock", None),
        ("PUT", "/clock", {"offset_seconds": 1}),
        ("POST", "/clock/advance", {"seconds": 1}),
        ("GET", "/messages", None),
        ("GET", "/messages/wait", None),
        ("POST", "/snapshot", None),
        ("POST", "/restore", {"snapshot": "snapshot-1"}),
        ("POST", "/users", {}),
        ("POST", "/sessions", {}),
        ("POST", "/sign-in-tokens", {}),
        ("POST", "/qr", {}),
        ("DELETE", "", None),
    ):
        answer = await sqlite_plane.call(method, f"/worlds/{nobody}{path}", body)
        assert answer.status_code == 404, (path, answer.text)

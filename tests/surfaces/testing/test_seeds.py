"""A seed gives the same world on every run; a snapshot gives back the same world again."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
from plane import Plane, World

from gatepass.core.sign_in_jwt import unwrap
from harness import ACCOUNT_QR, REIKEY

NOON = "2026-05-01T12:00:00Z"


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


async def story(plane: Plane, seed: object = "golden", *, polls: int = 1) -> dict[str, Any]:
    """Everything that a world draws in a life of its own, as a golden file would hold it. Polling is of no account."""
    world = await plane.make(seed=seed)
    await world.stand(NOON)
    phone = await world.sign_in()
    for _ in range(polls):
        await phone.userinfo()
        await world.messages()
    await phone.refresh()
    shown = (await plane.client.post(ACCOUNT_QR, headers=phone.bearer, json={})).json()["data"]
    await plane.deliver()
    user = await world.mint("users", client_user_id="member-1", test_user=True)
    token = await world.mint("sign-in-tokens", user_id=user["user_id"])
    tokens = (await world.exchange(token["sign_in_token"])).json()
    reikey = await plane.client.get(
        REIKEY, params={"playerId": user["user_id"]}, headers={"x-api-key": world.publishable_key}
    )
    minted = await world.mint("sessions", surface="junction")
    return {
        "keys": (world.team_id, world.secret_key, world.publishable_key, world.production_publishable_key),
        "messages": await world.messages(),
        "access": claims(phone.bundle["token"]),
        "refresh": phone.refresh_token,
        "qr": shown,
        "user": user,
        "sign-in token": jwt.decode(unwrap(token["sign_in_token"]), options={"verify_signature": False}),
        "junction": (claims(tokens["access_token"]), tokens["refresh_token"], tokens["expires_in"]),
        "reikey": reikey.json()["data"],
        "minted": (claims(minted["access_token"]), minted["refresh_token"], minted["user_id"]),
    }


async def test_a_seed_gives_the_same_world_on_every_run(plane: Plane) -> None:
    first = await story(plane)
    assert (await plane.call("POST", "/reset")).status_code == 204
    plane.clock.advance(seconds=12_345)
    again = await story(plane, polls=3)
    assert again == first


async def test_another_seed_gives_another_world(plane: Plane) -> None:
    first, second, third = await story(plane, 1), await story(plane, 2), await plane.make()
    assert not set(first["keys"]) & {*second["keys"], third.team_id, third.secret_key}
    for drawn in ("messages", "access", "refresh", "qr", "minted"):
        assert first[drawn] != second[drawn]


async def test_the_world_of_a_seed_is_known_by_heart(sqlite_plane: Plane) -> None:
    """Golden files of other people hold what a seed gave; a new release gives the same."""
    world = await sqlite_plane.make(seed=42)
    assert (world.team_id, world.publishable_key) == (
        "52cc5178-a980-4994-8ea4-21e68fbbb763",
        "pub_mkI90j231ScxpilsUajA3x5CkUKKU8DOVnKv1xkk",
    )
    assert (await world.ask_for_code())["userCode"] == "210569"


async def test_a_seed_in_use_makes_no_second_world(plane: Plane) -> None:
    world = await plane.make(seed=7)
    answer = await plane.call("POST", "/worlds", {"seed": "7"})
    assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")
    assert (await plane.call("DELETE", f"/worlds/{world.team_id}")).status_code == 204
    assert (await plane.make(seed=7)).secret_key == world.secret_key


async def test_of_two_who_want_a_seed_at_once_one_gets_it(plane: Plane) -> None:
    answers = await asyncio.gather(*(plane.call("POST", "/worlds", {"seed": "wanted"}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def test_parallel_calls_of_a_seeded_world_draw_nothing_twice(plane: Plane) -> None:
    world = await plane.make(seed="busy")
    asked = await asyncio.gather(*(world.ask_for_code(f"user-{n}@example.com") for n in range(20)))
    assert len({each["transactionId"] for each in asked}) == 20


async def test_ids_of_a_seeded_world_are_in_the_order_of_its_calls(plane: Plane) -> None:
    world = await plane.make(seed="ordered")
    await world.stand(NOON)
    for n in range(12):
        await world.ask_for_code(f"user-{n}@example.com")
    await plane.deliver()
    ids = [message["id"] for message in sorted(await world.messages(), key=lambda message: int(message["to"][5:-12]))]
    assert ids == sorted(ids)


async def state(world: World) -> dict[str, Any]:
    """What a snapshot keeps."""
    users = f"/admin/v1/teams/{world.team_id}/users"
    found = (await world.plane.client.get(users, headers=world.plane.server.admin)).json()
    return {"users": found, "mail": await world.messages(), "clock": (await world.call("GET", "/clock")).json()}


async def test_a_snapshot_brings_everything_back(plane: Plane) -> None:
    world, bystander = await plane.make(), await plane.make()
    phone, app = await world.sign_in(), world.app(await world.mint("sessions", surface="junction"))
    await world.advance(3600)
    await plane.deliver()
    before = await state(world)
    name = (await world.call("POST", "/snapshot")).json()["snapshot"]
    kept, app_kept = dict(phone.bundle), dict(app.tokens)
    assert [(await phone.refresh()).status_code, (await app.refresh()).status_code] == [200, 200]
    assert (await phone.sign_out()).status_code == 200
    await world.sign_in("bob@example.com")
    other = await bystander.sign_in()
    await world.stand()
    await plane.deliver()
    for _ in range(2):
        assert (await world.call("POST", "/restore", {"snapshot": name})).status_code == 204
        assert await state(world) == before
        phone.bundle, app.tokens = dict(kept), dict(app_kept)
        assert [(await phone.refresh()).status_code, (await app.refresh()).status_code] == [200, 200]
    assert (await other.userinfo()).status_code == 200


async def test_a_restored_seeded_world_draws_the_same_again(plane: Plane) -> None:
    world = await plane.make(seed="twice")
    await world.stand(NOON)
    await world.sign_in()
    name = (await world.call("POST", "/snapshot")).json()["snapshot"]
    first = await world.sign_in("bob@example.com")
    await world.call("POST", "/restore", {"snapshot": name})
    again = await world.sign_in("bob@example.com")
    assert claims(again.bundle["token"]) == claims(first.bundle["token"])


async def test_there_is_no_such_snapshot(plane: Plane) -> None:
    world, other = await plane.make(), await plane.make()
    name = (await other.call("POST", "/snapshot")).json()["snapshot"]
    answer = await world.call("POST", "/restore", {"snapshot": name})
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such snapshot of this world here.")

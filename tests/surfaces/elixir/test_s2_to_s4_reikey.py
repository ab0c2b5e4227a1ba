"""S2 to S4: one-time keys for desktops and test users, made with development keys."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from answers import ban, change_user, code_of, data_of, error_of

from gatepass.core import teams
from harness import QR_VERIFY, REIKEY, Phone, Server

REDEEM = "/sdk/auth/v2/session/reikey"
CLOSE = "/sdk/auth/v2/session/closerei"
INVALID_CREDENTIALS = {"status": 400, "code": 1000, "message": "Invalid Credentials!"}
NOT_ACTIVABLE = {"status": 400, "code": 1000, "message": "Not an activable reikey"}
NOBODY = "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"


async def a_player(server: Server) -> str:
    """A user on the allow-list; the id."""
    user_id: str = (await server.sign_in("test-user@example.com")).bundle["user"]["_id"]
    await change_user(server, user_id, test_user=True)
    return user_id


async def get(server: Server, path: str, *, key: str | None = None, **params: str) -> Any:
    return await server.client.get(path, params=params, headers={"x-api-key": key or server.development_key})


async def make(server: Server, player_id: str) -> str:
    data = data_of(await get(server, REIKEY, playerId=player_id))
    assert data == {"reikey": data["reikey"], "playerId": player_id}
    reikey: str = data["reikey"]
    return reikey


async def redeem(server: Server, reikey: str) -> Phone:
    return Phone(server, server.development_key, data_of(await get(server, f"{REDEEM}/{reikey}")))


async def test_a_reikey_signs_its_test_user_in_once(server: Server) -> None:
    player_id = await a_player(server)
    reikey = await make(server, player_id)
    desktop = await redeem(server, reikey)
    assert list(desktop.bundle) == ["token", "tokenExpiry", "tokenLifeMS", "refreshToken", "user"]
    assert desktop.bundle["user"] == {"_id": player_id, "status": "ACTIVE", "banReason": ""}
    assert error_of(await get(server, f"{REDEEM}/{reikey}")) == NOT_ACTIVABLE


async def test_a_reikey_may_be_scanned_instead(server: Server) -> None:
    reikey = await make(server, await a_player(server))
    data_of(await server.post(QR_VERIFY, {"qrValue": f"REIKEY:{reikey}"}))
    assert error_of(await get(server, f"{REDEEM}/{reikey}")) == NOT_ACTIVABLE


async def test_of_parallel_uses_one_opens_a_session(server: Server) -> None:
    reikey = await make(server, await a_player(server))
    answers = await asyncio.gather(*(get(server, f"{REDEEM}/{reikey}") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9


async def test_without_a_player_it_acts_for_the_owner(server: Server) -> None:
    assert error_of(await get(server, REIKEY)) == INVALID_CREDENTIALS
    owner_id = (await server.sign_in("owner@example.com")).bundle["user"]["_id"]
    await server.runtime.transact(lambda unit: teams.change(unit, server.team.id, owner_id=UUID(owner_id)))
    assert data_of(await get(server, REIKEY))["playerId"] == owner_id
    await make(server, owner_id)


@pytest.mark.parametrize("player", ["", "x", NOBODY, "\x00", "ß", "%ff", "0" * 5000])
async def test_nobody_else_is_impersonated(server: Server, player: str) -> None:
    assert error_of(await get(server, REIKEY, playerId=player)) == INVALID_CREDENTIALS


async def test_a_user_not_on_the_list_is_not_impersonated(server: Server) -> None:
    user_id = (await server.sign_in()).bundle["user"]["_id"]
    assert error_of(await get(server, REIKEY, playerId=user_id)) == INVALID_CREDENTIALS


@pytest.mark.parametrize("player", ["x", NOBODY])
async def test_a_production_key_makes_none_whatever_it_asks_for(server: Server, player: str) -> None:
    assert code_of(await get(server, REIKEY, key=server.production_key, playerId=player)) == 1001


@pytest.mark.parametrize("reikey", ["x", NOBODY, "REIKEY:" + NOBODY, "%00", "%ff", "a" * 5000, "{" + NOBODY + "}"])
async def test_what_is_no_reikey_is_refused(server: Server, reikey: str) -> None:
    assert error_of(await get(server, f"{REDEEM}/{reikey}")) == NOT_ACTIVABLE


async def test_a_qr_value_is_no_reikey(server: Server) -> None:
    phone = await server.sign_in()
    shown = data_of(await server.client.post("/sdk/auth/v2/account/qr", headers=phone.bearer))
    bare = shown["qrValue"].removeprefix("REIKEY:")
    assert error_of(await get(server, f"{REDEEM}/{bare}")) == NOT_ACTIVABLE


async def test_a_reikey_expires(server: Server) -> None:
    reikey = await make(server, await a_player(server))
    server.clock.advance(seconds=120)
    assert error_of(await get(server, f"{REDEEM}/{reikey}")) == NOT_ACTIVABLE


async def test_a_banned_player_reads_the_reason(server: Server) -> None:
    player_id = await a_player(server)
    reikey = await make(server, player_id)
    await ban(server, player_id)
    assert error_of(await get(server, f"{REDEEM}/{reikey}"))["banReason"] == "cheating"


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_desktop_closes_its_session_with_the_reikey_that_opened_it(server: Server, method: str) -> None:
    reikey = await make(server, await a_player(server))
    desktop = await redeem(server, reikey)
    closed = await server.client.request(method, f"{CLOSE}/{reikey}", headers=desktop.bearer)
    assert data_of(closed) == {"closed": True}
    assert code_of(await desktop.refresh()) == "INVALID_REFRESH_TOKEN"
    again = await server.client.request(method, f"{CLOSE}/{reikey}", headers=desktop.bearer)
    assert error_of(again) == INVALID_CREDENTIALS


async def test_another_session_or_reikey_closes_nothing(server: Server) -> None:
    player_id = await a_player(server)
    first, second = await make(server, player_id), await make(server, player_id)
    desktop, other = await redeem(server, first), await redeem(server, second)
    phone = await server.sign_in("test-user@example.com")
    for caller, reikey in ((other, first), (phone, first), (desktop, second), (desktop, NOBODY), (desktop, "x")):
        answer = await server.client.post(f"{CLOSE}/{reikey}", headers=caller.bearer)
        assert error_of(answer) == INVALID_CREDENTIALS
    assert error_of(await server.client.post(f"{CLOSE}/{first}", headers={"x-api-key": desktop.key})) == (
        INVALID_CREDENTIALS
    )
    data_of(await desktop.userinfo())

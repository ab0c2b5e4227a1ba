"""Any state at once, and the server treats it as if it had come about by itself."""

from __future__ import annotations

from typing import Any

import pytest
from plane import Plane, World

from harness import ACCOUNT_QR, QR_VERIFY

CAUSES = ["signed_out", "reuse", "banned", "user_deleted", "expired", "admin"]
SURFACES = pytest.mark.parametrize("surface", ["elixir", "junction"])


async def statuses(world: World, surface: str, minted: dict[str, Any]) -> tuple[int, int]:
    """What the app gets that uses the access token, and then the refresh token."""
    app: Any = world.phone(minted) if surface == "elixir" else world.app(minted)
    used = await (app.userinfo() if surface == "elixir" else app.read())
    return used.status_code, (await app.refresh()).status_code


async def explained(world: World, minted: dict[str, Any]) -> dict[str, Any]:
    """What an operator reads of the session."""
    path = f"/admin/v1/teams/{world.team_id}/sessions/{minted['session_id']}/explanation"
    answer = await world.plane.client.get(path, headers=world.plane.server.admin)
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()["session"]
    return session


async def test_a_user_in_any_state(plane: Plane) -> None:
    world = await plane.make()
    user = await world.mint("users", email="ada@example.com", client_user_id="member-1", nickname="ada")
    assert (user["email"], user["client_user_id"], user["nickname"]) == ("ada@example.com", "member-1", "ada")
    assert (user["banned"], user["deleted"]) == (False, False)
    banned = await world.mint("users", email="bad@example.com", banned="Chargeback")
    deleted = await world.mint("users", client_user_id="gone", deleted=True)
    assert (banned["banned"], deleted["deleted"]) == (True, True)
    refused = await world.call("POST", "/sessions", {"user_id": banned["user_id"]})
    assert refused.status_code == 403
    refused = await world.call("POST", "/sessions", {"user_id": deleted["user_id"]})
    assert refused.status_code == 404
    taken = await world.call("POST", "/users", {"email": "ADA@example.com"})
    assert taken.status_code == 409


@SURFACES
async def test_a_live_session(plane: Plane, surface: str) -> None:
    world = await plane.make()
    minted = await world.mint("sessions", surface=surface, email="ada@example.com")
    assert 3240 <= minted["expires_in"] <= 3600
    assert 0 <= minted["expires_at"] - plane.clock.now() - minted["expires_in"] * 1000 < 1000
    assert await statuses(world, surface, minted) == (200, 200)
    again = await world.mint("sessions", surface=surface, email="ada@example.com")
    assert (again["user_id"], again["session_id"] == minted["session_id"]) == (minted["user_id"], False)


@SURFACES
async def test_an_expired_access_token_of_a_live_session(plane: Plane, surface: str) -> None:
    world = await plane.make()
    minted = await world.mint("sessions", surface=surface, access_token="expired")
    assert minted["expires_at"] < plane.clock.now()
    assert await statuses(world, surface, minted) == (400 if surface == "elixir" else 401, 200)


@SURFACES
@pytest.mark.parametrize("access_token", ["live", "expired"])
async def test_a_spent_refresh_token_ends_its_session_as_reused(plane: Plane, surface: str, access_token: str) -> None:
    world = await plane.make()
    minted = await world.mint("sessions", surface=surface, refresh_token="spent", access_token=access_token)
    assert (await explained(world, minted))["state"] == "open"
    used, refreshed = await statuses(world, surface, minted)
    assert ((used == 200), refreshed) == (access_token == "live", 400)
    assert (await explained(world, minted))["end_cause"] == "reuse"


@SURFACES
@pytest.mark.parametrize("refresh_token", ["live", "spent"])
@pytest.mark.parametrize("cause", CAUSES)
async def test_a_session_that_ended(sqlite_plane: Plane, surface: str, cause: str, refresh_token: str) -> None:
    world = await sqlite_plane.make()
    minted = await world.mint("sessions", surface=surface, ended=cause, refresh_token=refresh_token)
    session = await explained(world, minted)
    if cause == "expired":
        assert (session["state"], session["end_cause"]) == ("expired", None)
    else:
        assert (session["state"], session["end_cause"]) == ("ended", cause)
    used, refreshed = await statuses(world, surface, minted)
    assert (used == 200, refreshed == 200) == (False, False)


async def test_a_production_session_of_elixir(plane: Plane) -> None:
    world = await plane.make()
    minted = await world.mint("sessions", environment="production")
    phone = world.phone(minted)
    assert (await phone.refresh()).status_code == 400
    phone.key = world.production_publishable_key
    assert (await phone.refresh()).status_code == 200


@pytest.mark.parametrize(("state", "status"), [("live", 200), ("expired", 400), ("used", 400)])
async def test_a_sign_in_token(plane: Plane, state: str, status: int) -> None:
    world = await plane.make()
    minted = await world.mint("sign-in-tokens", state=state)
    answer = await world.exchange(minted["sign_in_token"])
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["user_id"] == minted["user_id"]
        assert (await world.exchange(minted["sign_in_token"])).status_code == 200
    else:
        assert answer.json()["error"] == "invalid_grant"


async def test_a_banned_user_gets_no_sign_in_token(plane: Plane) -> None:
    world = await plane.make()
    user = await world.mint("users", banned=True)
    answer = await world.call("POST", "/sign-in-tokens", {"user_id": user["user_id"]})
    assert answer.status_code == 403


@pytest.mark.parametrize(("state", "shown_as"), [("pending", "PENDING"), ("expired", "EXPIRED"), ("used", "CONSUMED")])
async def test_a_qr_value(plane: Plane, state: str, shown_as: str) -> None:
    world = await plane.make()
    minted = await world.mint("qr", state=state)
    shown_by = world.phone(minted["shown_by"])
    look = await plane.client.get(f"{ACCOUNT_QR}/{minted['qr_id']}", headers=shown_by.bearer)
    assert look.json()["data"]["state"] == shown_as
    scanned = await world.post(QR_VERIFY, {"qrValue": minted["qr_value"]})
    assert scanned.status_code == (200 if state == "pending" else 400)


async def test_what_is_minted_goes_by_the_worlds_clock(plane: Plane) -> None:
    world = await plane.make()
    await world.stand("2033-01-01T00:00:00Z")
    minted = await world.mint("sessions", access_token="expired", surface="junction")
    assert (await explained(world, minted))["opened_at"].startswith("2032-12-31")
    assert await statuses(world, "junction", minted) == (401, 200)


async def test_nobody_is_minted_into_another_world(plane: Plane) -> None:
    world, other = await plane.make(), await plane.make()
    user = await other.mint("users")
    for what in ("sessions", "sign-in-tokens", "qr"):
        assert (await world.call("POST", f"/{what}", {"user_id": user["user_id"]})).status_code == 404

"""Signing keys, by the admin API."""

from __future__ import annotations

from uuid import uuid4

from administrator import Admin


async def test_a_rotated_ring_shows_the_key_that_signs_and_the_one_that_waits(admin: Admin) -> None:
    before = {key["kid"] for key in (await admin.call("GET", "/signing-keys"))["signing_keys"]}
    rotated = (await admin.call("POST", "/signing-keys/rotate", {}, expect=201))["signing_keys"]
    waiting = rotated[-1]
    assert waiting["kid"] not in before
    assert (waiting["ring"], waiting["team_id"], waiting["state"]) == ("access", None, "waiting")
    (signing,) = [key for key in rotated if key["state"] == "signing"]
    assert signing["verifies_until"] is not None
    assert waiting in (await admin.call("GET", "/signing-keys"))["signing_keys"]
    assert "private" not in str(rotated)


async def test_a_teams_ring_is_rotated_and_listed_by_itself(admin: Admin) -> None:
    team_id = str(admin.server.team.id)
    body = {"ring": "sign-in", "team_id": team_id, "at_once": True}
    rotated = await admin.call("POST", "/signing-keys/rotate", body, expect=201)
    assert [key["team_id"] for key in rotated["signing_keys"]] == [team_id, team_id]
    admin.server.clock.advance(seconds=2)
    listed = await admin.call("GET", f"/signing-keys?team_id={team_id}")
    assert [key["state"] for key in listed["signing_keys"]] == ["retiring", "signing"]


async def test_a_ring_goes_with_its_owner_only(admin: Admin) -> None:
    for body in ({"ring": "sign-in"}, {"ring": "access", "team_id": str(uuid4())}):
        assert (await admin.call("POST", "/signing-keys/rotate", body, expect=422))["field"] == "team_id"
    stranger = {"ring": "sign-in", "team_id": str(uuid4())}
    await admin.call("POST", "/signing-keys/rotate", stranger, expect=404)
    await admin.call("GET", f"/signing-keys?team_id={uuid4()}", expect=404)


async def test_signing_keys_are_for_the_admin_only(admin: Admin) -> None:
    for method, path in (("GET", "/admin/v1/signing-keys"), ("POST", "/admin/v1/signing-keys/rotate")):
        assert (await admin.server.client.request(method, path)).status_code == 401

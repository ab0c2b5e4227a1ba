"""API keys, by the admin API."""

from __future__ import annotations

from uuid import uuid4

from administrator import Admin

from harness import LOGIN


async def test_a_key_is_shown_once_opens_its_team_and_is_revoked(admin: Admin) -> None:
    body = {"kind": "publishable", "environment": "production"}
    made = await admin.call("POST", f"{admin.team}/keys", body, expect=201)
    key = made.pop("key")
    assert key.startswith(made["visible"])
    listed = await admin.send("GET", f"{admin.team}/keys")
    assert made in listed.json()["keys"]
    assert key not in listed.text
    assert (await admin.server.post(LOGIN, {"email": "ada@example.com"}, key=key)).status_code == 200

    revoked = await admin.call("DELETE", f"{admin.team}/keys/{made['id']}")
    assert revoked["revoked_at"] is not None
    assert await admin.call("DELETE", f"{admin.team}/keys/{made['id']}") == revoked
    assert (await admin.server.post(LOGIN, {"email": "ada@example.com"}, key=key)).status_code == 400


async def test_a_key_of_another_system_keeps_working_after_import(admin: Admin) -> None:
    body = {"kind": "publishable", "environment": "development", "key": "legacy-0123456789-abcdef"}
    imported = await admin.send("POST", f"{admin.team}/keys/import", body)
    assert imported.status_code == 201
    assert body["key"] not in imported.text
    assert (await admin.server.post(LOGIN, {"email": "ada@example.com"}, key=body["key"])).status_code == 200
    await admin.call("POST", f"{admin.team}/keys/import", body, expect=409)


async def test_an_environment_goes_with_a_publishable_key_only(admin: Admin) -> None:
    for body in ({"kind": "secret", "environment": "production"}, {"kind": "publishable"}):
        assert (await admin.call("POST", f"{admin.team}/keys", body, expect=422))["field"] == "environment"


async def test_a_key_of_another_team_is_as_absent_as_one_that_never_was(admin: Admin) -> None:
    made = await admin.call("POST", f"{admin.team}/keys", {"kind": "secret"}, expect=201)
    other = await admin.other_team()
    foreign = await admin.call("DELETE", f"{other}/keys/{made['id']}", expect=404)
    assert foreign == await admin.call("DELETE", f"{other}/keys/{uuid4()}", expect=404)
    (kept,) = [key for key in (await admin.call("GET", f"{admin.team}/keys"))["keys"] if key["id"] == made["id"]]
    assert kept["revoked_at"] is None

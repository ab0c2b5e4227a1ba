"""Teams, by the admin API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from administrator import Admin


async def test_a_team_is_made_read_listed_and_changed(admin: Admin) -> None:
    made = await admin.call("POST", "/teams", {"name": "Acme", "region": "us", "environment": "production"}, expect=201)
    assert made["region"] == "us"
    assert made["refuse_app_keys"] is True
    assert await admin.call("GET", f"/teams/{made['id']}") == made
    assert made in (await admin.call("GET", "/teams"))["teams"]

    changes = {
        "name": "Acme Games",
        "sign_up": "known",
        "code_length": 8,
        "accept_development_keys": False,
        "account_pages": True,
        "new_device_notices": False,
        "colour": "#1a7f4b",
        "refuse_app_keys": False,
    }
    assert await admin.call("PATCH", f"/teams/{made['id']}", changes) == {**made, **changes}
    assert (await admin.call("PATCH", f"/teams/{made['id']}", {"code_length": None}))["code_length"] is None
    assert (await admin.call("PATCH", f"/teams/{made['id']}", {}))["name"] == "Acme Games"


async def test_an_instant_is_rfc_3339_in_utc_with_milliseconds(admin: Admin) -> None:
    admin.server.clock.advance(ms=1_893_456_000_007 - admin.server.clock.now())
    made = await admin.call("POST", "/teams", {"name": "Acme"}, expect=201)
    assert made["created_at"] == "2030-01-01T00:00:00.007Z"


async def test_an_owner_is_a_user_of_that_team(admin: Admin) -> None:
    user = await admin.user()
    assert (await admin.call("PATCH", admin.team, {"owner_id": user["id"]}))["owner_id"] == user["id"]
    other = await admin.other_team()
    refused = await admin.call("PATCH", other, {"owner_id": user["id"]}, expect=422)
    assert refused["field"] == "owner_id"
    assert refused["detail"].startswith("`owner_id` names no user of this team")
    assert (await admin.call("PATCH", admin.team, {"owner_id": None}))["owner_id"] is None


async def test_a_local_team_in_the_us_is_refused_with_the_reason(admin: Admin) -> None:
    refused = await admin.call("POST", "/teams", {"name": "x", "region": "us", "environment": "local"}, expect=422)
    assert refused["field"] == "region"


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("PATCH", {"name": "x"}), ("PATCH", {"owner_id": str(uuid4())})]
)
async def test_a_team_that_is_not_there_is_not_found(admin: Admin, method: str, body: Any) -> None:
    refused = await admin.call(method, f"/teams/{uuid4()}", body, expect=404)
    assert refused["detail"].startswith("There is no such team")

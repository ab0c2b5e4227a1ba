"""The meter of keys inside apps, team access tokens, and revocation, by the admin API."""

from __future__ import annotations

from typing import Any

import pytest
from administrator import Admin

from backend import TOKEN, USERS, Backend, new_backend

IOS = {"x-vital-ios-sdk-version": "4.1.2"}
ANDROID = {"x-vital-android-sdk-version": "4.0.0"}


@pytest.fixture
async def backend(admin: Admin) -> Backend:
    """A server of the team that the administrator looks after."""
    return await new_backend(admin.server, team=admin.server.team)


async def meter(admin: Admin, **params: Any) -> Any:
    return await admin.call("GET", f"{admin.team}/keys/in-apps", params=params)


async def test_the_meter_counts_down_to_nobody_and_then_the_switch_is_thrown(admin: Admin, backend: Backend) -> None:
    assert (await meter(admin))["verdict"] == "no app carries a key any more; refuse_app_keys is off"
    ada, bob = await backend.create_user("ada"), await backend.create_user("bob")
    for user, headers in ((ada, IOS), (ada, IOS), (ada, ANDROID), (bob, IOS)):
        admin.server.clock.advance(seconds=1)
        await backend.call("GET", f"{USERS}/{user['user_id']}", **headers)
    told = await meter(admin)
    assert told["verdict"] == "2 apps still carry a key; refuse_app_keys is off"
    assert [(one["user_id"], one["sdk"], one["calls"]) for one in told["calls"]] == [
        (bob["user_id"], "ios 4.1.2", 1),
        (ada["user_id"], "android 4.0.0", 1),
        (ada["user_id"], "ios 4.1.2", 2),
    ]
    assert all(backend.key.startswith(one["visible"]) and backend.key != one["visible"] for one in told["calls"])
    oldest = told["calls"][-1]
    assert oldest["first_at"] < oldest["last_at"] < told["calls"][0]["first_at"]

    limited = await meter(admin, limit=1)
    assert (len(limited["calls"]), limited["apps"]) == (1, 2), "the verdict counts what the page leaves out"
    recent = await meter(admin, since=told["calls"][0]["last_at"])
    assert recent["verdict"] == "1 app still carries a key; refuse_app_keys is off"
    await admin.call("PATCH", admin.team, {"refuse_app_keys": True})
    assert (await meter(admin))["refuse_app_keys"] is True


@pytest.mark.parametrize("since", ["yesterday", "2026-05-01", "2026-05-01T00:00:00"])
async def test_an_instant_without_a_zone_is_refused(admin: Admin, since: str) -> None:
    refused = await admin.call("GET", f"{admin.team}/keys/in-apps", params={"since": since}, expect=422)
    assert refused["field"] == "since"


async def test_a_team_access_token_stands_in_for_a_key_for_ten_minutes(admin: Admin, backend: Backend) -> None:
    made = await admin.call("POST", f"{admin.team}/access_tokens", expect=201)
    assert made["expires_in"] == 600
    bearer = {"authorization": f"Bearer {made['access_token']}"}
    client = admin.server.client
    user = (await client.post(USERS, json={"client_user_id": "x"}, headers=bearer)).json()
    assert (await backend.call("GET", f"{USERS}/{user['user_id']}")).json() == user
    admin.server.clock.advance(seconds=600)
    assert (await client.get(USERS, headers=bearer)).status_code == 401


async def test_a_revoked_secret_key_opens_nothing_and_what_it_minted_is_dead(admin: Admin, backend: Backend) -> None:
    app = await backend.sign_in()
    waiting = await backend.sign_in_token(app.user_id)
    keys = (await admin.call("GET", f"{admin.team}/keys"))["keys"]
    (key,) = [key for key in keys if key["kind"] == "secret"]
    await admin.call("DELETE", f"{admin.team}/keys/{key['id']}")
    assert (await backend.call("GET", USERS)).status_code == 401
    introspection = await admin.server.client.post(
        "/oauth/introspect", data={"token": "x"}, headers={"authorization": f"Bearer {backend.key}"}
    )
    assert introspection.status_code == 401
    assert (await backend.exchange(waiting, path=TOKEN)).json()["detail"]["error_type"] == "invalid_token"
    assert (await app.refresh()).status_code == 200, "sessions belong to the team, not to a key"


async def test_an_explanation_tells_which_key_vouched_for_the_session(admin: Admin, backend: Backend) -> None:
    app = await backend.sign_in(**IOS)
    session = await app.session()
    path = f"{admin.team}/sessions/{session.id}/explanation"
    told = await admin.call("GET", path)
    assert [moment["event"] for moment in told["timeline"]] == ["sign_in_token_issued", "session_opened"]
    first, second = [moment["words"] for moment in told["timeline"]]
    visible = first.removeprefix("The team's server asked for a sign-in token with the key ").removesuffix("….")
    assert backend.key.startswith(visible)
    assert 0 < len(visible) < len(backend.key) / 2
    assert second == "Opened with a sign-in token from the team's server on ios 4.1.2."

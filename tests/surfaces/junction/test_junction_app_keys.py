"""A team's key inside an app: counted, and refused where the team wants none."""

from __future__ import annotations

import pytest

from backend import USERS, Backend, new_backend
from gatepass.core import app_keys, teams
from gatepass.core.app_keys import AppKeyCalls
from gatepass.core.errors import Unavailable
from gatepass.core.teams import Region, TeamEnvironment
from harness import Server

IOS = {"x-vital-ios-sdk-version": "4.1.2"}
ANDROID = {"x-vital-android-sdk-version": "4.0.0"}


async def meter(backend: Backend) -> dict[tuple[str | None, str], int]:
    """Calls by user and SDK."""
    found: list[AppKeyCalls] = await backend.server.runtime.read(
        lambda unit: app_keys.list_calls(unit, backend.team.id)
    )
    return {(str(one.user_id) if one.user_id else None, one.sdk): one.calls for one in found}


async def test_calls_with_a_key_inside_an_app_are_counted_by_user_and_version(backend: Backend) -> None:
    user = await backend.create_user()
    path = f"{USERS}/{user['user_id']}"
    for headers in (IOS, IOS, ANDROID):
        assert (await backend.call("GET", path, **headers)).status_code == 200
    await backend.call("POST", f"{path}/sdk_sync_state/apple_health_kit", **IOS)
    await backend.call("GET", f"{USERS}/7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34", **IOS)
    await backend.call("GET", USERS, **ANDROID)
    assert await meter(backend) == {
        (user["user_id"], "ios 4.1.2"): 3,
        (user["user_id"], "android 4.0.0"): 1,
        (None, "ios 4.1.2"): 1,
        (None, "android 4.0.0"): 1,
    }


async def test_a_server_and_a_signed_in_app_are_not_counted(backend: Backend) -> None:
    app = await backend.sign_in(**IOS)
    await app.read()
    await backend.call("GET", USERS)
    await backend.server.client.get(USERS, headers={**IOS, "x-vital-api-key": "sk_eu_" + "x" * 40})
    assert await meter(backend) == {}


async def test_a_team_that_wants_no_keys_in_apps_refuses_and_still_counts_them(backend: Backend) -> None:
    await backend.server.runtime.transact(lambda unit: teams.change(unit, backend.team.id, refuse_app_keys=True))
    user = await backend.create_user()
    path = f"{USERS}/{user['user_id']}"
    for headers in (IOS, ANDROID):
        answer = await backend.call("GET", path, **headers)
        assert answer.status_code == 403
        assert "sign-in token" in answer.json()["detail"]
    assert (await backend.call("GET", path)).status_code == 200, "a server's own calls go on"
    app = await backend.sign_in(user["user_id"], **IOS)
    assert (await app.read()).status_code == 200, "and so do phones with a sign-in token"
    assert await meter(backend) == {(user["user_id"], "ios 4.1.2"): 1, (user["user_id"], "android 4.0.0"): 1}


@pytest.mark.parametrize(
    ("environment", "status"),
    [(TeamEnvironment.PRODUCTION, 403), (TeamEnvironment.SANDBOX, 200), (TeamEnvironment.LOCAL, 200)],
)
async def test_production_teams_want_none_from_the_start(
    sqlite_server: Server, environment: TeamEnvironment, status: int
) -> None:
    backend = await new_backend(sqlite_server, environment=environment, region=Region.EU)
    assert (await backend.call("GET", USERS, **IOS)).status_code == status


@pytest.mark.parametrize("fault", [Unavailable("down"), RuntimeError("a mistake")])
async def test_no_call_fails_for_want_of_a_count(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    async def broken(*_: object) -> None:
        raise fault

    monkeypatch.setattr(app_keys, "note", broken)
    assert (await backend.call("GET", USERS, **IOS)).status_code == 200

"""The life cycle of the mobile SDKs over Junction: signing in and out, users, keys, the launch."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from junction_app import HOUR, WITH_A_KEY, WITH_A_TOKEN, App

from backend import REVOKE, TOKEN, USERS, new_backend, sessions_of
from gatepass.client import (
    AsyncBearerAuth,
    CannotMigrate,
    FileStore,
    NotSignedIn,
    Reauthenticate,
    Refused,
    SignedOut,
    Status,
)
from gatepass.core.sessions import Cause
from gatepass.core.teams import Region, TeamEnvironment
from network import first

# Signing in and out.


async def test_signs_in_and_acts_as_that_user(app: App) -> None:
    assert app.client.status == Status.NOTHING
    user_id = await app.sign_in()
    assert (app.client.user_id, app.client.status) == (user_id, WITH_A_TOKEN)
    assert await app.reads_itself()


async def test_a_used_up_sign_in_token_is_refused_and_keeps_who_is_signed_in(app: App) -> None:
    user_id = await app.user()
    token = await app.backend.sign_in_token(user_id)
    await app.client.sign_in(token)
    assert await app.reads_itself()
    with pytest.raises(Refused) as refused:
        await app.client.sign_in(token)
    assert refused.value.code == "invalid_token"
    assert await app.reads_itself()


@pytest.mark.parametrize("text", ["", "nonsense", "a.b.c", "e30=", "W10=", "eyJ1c2VyX3Rva2VuIjogMX0=", "ey.e30.x"])
async def test_what_is_no_sign_in_token_is_refused_without_asking(app: App, text: str) -> None:
    with pytest.raises(Refused):
        await app.client.sign_in(text)
    assert app.network.sent == []


async def test_sign_out_ends_the_session_at_the_server(app: App) -> None:
    user_id = await app.sign_in()
    access_token = await app.client.access_token()
    await app.client.sign_out()
    assert (app.client.status, app.client.user_id, app.store.load()) == (Status.NOTHING, None, {})
    (session,) = await sessions_of(app.server, user_id)
    assert session.end_cause is Cause.SIGNED_OUT
    bearer = {"authorization": f"Bearer {access_token}"}
    assert (await app.server.client.get(f"{USERS}/{user_id}", headers=bearer)).status_code == 401
    with pytest.raises(NotSignedIn):
        await app.client.access_token()


async def test_sign_out_works_without_a_network(app: App) -> None:
    await app.sign_in()
    app.network.fate = first("lose request", of=REVOKE)
    await app.client.sign_out()
    assert app.client.status == Status.NOTHING


# identify, at every launch.


async def test_identify_signs_in_once_and_then_does_nothing(app: App) -> None:
    user_id = await app.client.identify("ada", app.authenticate)
    calls = len(app.network.sent)
    for client in (app.client, app.relaunch()):
        assert await client.identify("ada", app.authenticate) == user_id
    assert (app.asked, len(app.network.sent)) == (["ada"], calls)


async def test_identify_at_the_same_time_twice_opens_one_session(app: App) -> None:
    ids = await asyncio.gather(*(app.client.identify("ada", app.authenticate) for _ in range(5)))
    assert (len(set(ids)), app.asked) == (1, ["ada"])
    assert len(await sessions_of(app.server, ids[0])) == 1


async def test_identify_changes_users_and_ends_the_first_ones_session(app: App) -> None:
    ada = await app.client.identify("ada", app.authenticate)
    bob = await app.client.identify("bob", app.authenticate)
    assert ada != bob == app.client.user_id
    assert [session.end_cause for session in await sessions_of(app.server, ada)] == [Cause.SIGNED_OUT]
    assert await app.reads_itself()


async def test_identify_fetches_a_new_token_for_the_same_user_when_the_server_wants_one(app: App) -> None:
    user_id = await app.client.identify("ada", app.authenticate)
    await app.end(Cause.ADMIN)
    assert await app.client.identify("ada", app.authenticate) == user_id, "nobody has noticed yet"
    app.wait(HOUR)
    assert await app.client.reconcile() == WITH_A_TOKEN | Status.PENDING_REAUTHENTICATION
    assert await app.client.identify("ada", app.authenticate) == user_id
    assert (app.asked, app.client.status) == (["ada", "ada"], WITH_A_TOKEN)
    assert await app.reads_itself()


async def test_identify_keeps_all_as_it_was_when_the_apps_backend_fails(app: App) -> None:
    async def fails(_: str) -> str:
        raise ConnectionError("the app's backend is down")

    with pytest.raises(ConnectionError):
        await app.client.identify("ada", fails)
    assert app.client.status == Status.NOTHING
    assert await app.client.identify("ada", app.authenticate)


# API-key mode, and the way out of it.


async def test_an_api_key_acts_for_the_user_that_is_named(app: App) -> None:
    app.client.configure(app.backend.key, environment="sandbox", region="eu")
    assert app.client.status == Status.CONFIGURED | Status.API_KEY
    with pytest.raises(NotSignedIn):
        await app.client.get(USERS)
    app.client.set_user_id(await app.user())
    assert app.client.status == WITH_A_KEY
    assert await app.reads_itself()
    app.client.configure(app.backend.key, environment="sandbox", region="eu")
    assert app.client.status == WITH_A_KEY, "an app configures at every launch"
    assert await app.relaunch().reconcile() == WITH_A_KEY


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
async def test_an_app_migrates_from_its_key_to_a_sign_in_token(app: App, spelling: Any) -> None:
    user_id = await app.user()
    app.client.configure(app.backend.key, environment="sandbox", region="eu")
    app.client.set_user_id(spelling(user_id))
    app.client.set_user_id(user_id.upper())
    assert await app.client.identify("ada", app.authenticate) == user_id
    assert app.client.status == WITH_A_TOKEN
    assert app.backend.key not in str(app.store.load())
    assert await app.reads_itself()
    with pytest.raises(CannotMigrate):
        app.client.configure(app.backend.key, environment="sandbox", region="eu")
    with pytest.raises(NotSignedIn):
        app.client.set_user_id(user_id)


@pytest.mark.parametrize(
    ("user", "environment", "region"),
    [("bob", "sandbox", "eu"), ("ada", "production", "eu"), ("ada", "sandbox", "us")],
)
async def test_a_migration_goes_to_the_same_user_environment_and_region_only(
    app: App, user: str, environment: str, region: str
) -> None:
    await app.user("ada")
    app.client.configure(app.backend.key, environment=environment, region=region)
    app.client.set_user_id((await app.backend.call("GET", f"{USERS}/resolve/ada")).json()["user_id"])
    before, calls = app.store.load(), len(app.network.sent)
    with pytest.raises(CannotMigrate):
        await app.client.identify(user, app.authenticate)
    assert (app.store.load(), len(app.network.sent)) == (before, calls)
    await app.client.sign_out()
    assert await app.client.identify(user, app.authenticate)


async def test_another_user_or_place_does_not_slip_in_under_a_key(app: App) -> None:
    app.client.configure(app.backend.key, environment="sandbox", region="eu")
    app.client.set_user_id(await app.user())
    with pytest.raises(CannotMigrate):
        app.client.set_user_id(await app.user("bob"))
    with pytest.raises(CannotMigrate):
        app.client.configure(app.backend.key, environment="production", region="eu")


@pytest.mark.parametrize(
    ("environment", "region"),
    [(TeamEnvironment.PRODUCTION, Region.US), (TeamEnvironment.DEV, Region.EU), (TeamEnvironment.LOCAL, Region.EU)],
)
async def test_every_environment_is_read_from_the_sign_in_token(
    app: App, environment: TeamEnvironment, region: Region
) -> None:
    app.backend = await new_backend(app.server, environment=environment, region=region)
    user_id = await app.sign_in()
    state = app.store.load()
    assert (state["user_id"], state["environment"], state["region"]) == (user_id, environment, region)


# The end.


async def test_a_deleted_users_phone_forgets_everything(app: App) -> None:
    await app.client.identify("ada", app.authenticate)
    await app.delete_user()
    with pytest.raises(SignedOut):
        await app.client.get(f"{USERS}/{app.client.user_id}")
    assert (app.store.load(), app.client.status) == ({}, Status.NOTHING)
    with pytest.raises(NotSignedIn):
        await app.client.access_token()


@pytest.mark.parametrize("cause", [Cause.ADMIN, Cause.REUSE])
async def test_an_ended_session_keeps_its_user_and_asks_for_a_sign_in_token(app: App, cause: Cause) -> None:
    user_id = await app.client.identify("ada", app.authenticate)
    await app.end(cause)
    for _ in range(2):
        with pytest.raises(Reauthenticate):
            await app.client.get(f"{USERS}/{user_id}")
    assert app.client.status == WITH_A_TOKEN | Status.PENDING_REAUTHENTICATION
    assert app.client.user_id == user_id
    assert not {"access_token", "refresh_token"} & app.store.load().keys()
    with pytest.raises(CannotMigrate):
        await app.client.sign_in(await app.backend.sign_in_token(await app.user("bob")))
    await app.client.sign_in(await app.backend.sign_in_token(user_id))
    assert app.client.status == WITH_A_TOKEN
    assert await app.client.identify("ada", app.authenticate) == user_id
    assert app.asked == ["ada"]


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (None, WITH_A_TOKEN),
        ("admin", WITH_A_TOKEN | Status.PENDING_REAUTHENTICATION),
        ("deleted", Status.NOTHING),
        ("outage", WITH_A_TOKEN),
    ],
)
async def test_a_launch_reconciles_what_is_stored_with_what_the_server_says(
    app: App, ending: str | None, status: Status, pauses: list[float], tmp_path: Path
) -> None:
    app.store = FileStore(tmp_path / "keychain.json")
    app.client = app.relaunch()
    await app.sign_in()
    app.wait(HOUR)
    match ending:
        case "admin":
            await app.end(Cause.ADMIN)
        case "deleted":
            await app.delete_user()
        case "outage":
            app.network.fate = lambda _: "lose request"
    assert await app.relaunch().reconcile() == status


# Around it.


async def test_any_httpx_user_gets_refresh_for_free(app: App) -> None:
    user_id = await app.sign_in()
    async with httpx.AsyncClient(
        base_url="http://gatepass.test", transport=app.network, auth=AsyncBearerAuth(app.client)
    ) as plain:
        assert (await plain.get(f"{USERS}/{user_id}")).status_code == 200
        app.wait(HOUR + 60)
        assert (await plain.get(f"{USERS}/{user_id}")).status_code == 200
        assert (await plain.get("/userinfo")).json()["sub"] == user_id
    assert app.network.calls(TOKEN) == 2


async def test_no_secret_shows_in_reprs_and_errors(app: App) -> None:
    app.client.configure(app.backend.key, environment="sandbox", region="eu")
    app.client.set_user_id(await app.user())
    token = await app.authenticate("ada")
    await app.client.sign_in(token)
    with pytest.raises(Refused) as refused:
        await app.client.sign_in(f"{token}x")
    shown = f"{app.store!r} {app.client!r} {refused.value!r} {app.client._session.key_auth()!r}"
    for secret in (*map(str, app.store.load().values()), app.backend.key, token):
        assert len(secret) < 20 or secret not in shown

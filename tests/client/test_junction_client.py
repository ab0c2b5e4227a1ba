"""The life cycle of the mobile SDKs, and the client's half of the rotation bargain, over Junction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from backend import REVOKE, TOKEN, USERS, Backend, new_backend, sessions_of
from gatepass.client import (
    AsyncBearerAuth,
    AsyncJunctionClient,
    CannotMigrate,
    FileStore,
    MemoryStore,
    NotSignedIn,
    Reauthenticate,
    Refused,
    SignedOut,
    Status,
    Store,
    TemporarilyUnavailable,
)
from gatepass.core import sessions, user_deletion
from gatepass.core.sessions import Cause
from gatepass.core.teams import Region, TeamEnvironment
from harness import Server
from network import Network, first

HOUR = 3600
CONFIGURED_AND_SIGNED_IN = Status.CONFIGURED | Status.SIGNED_IN
WITH_A_TOKEN = CONFIGURED_AND_SIGNED_IN | Status.SIGN_IN_TOKEN
WITH_A_KEY = CONFIGURED_AND_SIGNED_IN | Status.API_KEY


@dataclass
class App:
    """An app on a phone: its client, its keychain, its network, and the backend that vouches for its users."""

    backend: Backend
    client: AsyncJunctionClient
    store: Store
    network: Network
    asked: list[str] = field(default_factory=list)

    @property
    def server(self) -> Server:
        return self.backend.server

    def wait(self, seconds: float) -> None:
        self.server.clock.advance(seconds=seconds)

    def relaunch(self) -> AsyncJunctionClient:
        """The same store under a new client, as after a restart of the app."""
        return client_of(self.server, self.store, self.network)

    async def user(self, name: str = "ada") -> str:
        user_id: str = (await self.backend.create_user(name))["user_id"]
        return user_id

    async def authenticate(self, external_user_id: str) -> str:
        """What an app's own backend does: find or make the user, and ask for a sign-in token."""
        self.asked.append(external_user_id)
        found = await self.backend.call("GET", f"{USERS}/resolve/{external_user_id}")
        user_id = found.json()["user_id"] if found.status_code == 200 else await self.user(external_user_id)
        return await self.backend.sign_in_token(user_id)

    async def sign_in(self) -> str:
        user_id = await self.user()
        await self.client.sign_in(await self.backend.sign_in_token(user_id))
        return user_id

    async def end(self, cause: Cause) -> None:
        """End every session of whoever is signed in, by that cause."""
        for session in await sessions_of(self.server, self.client.user_id or ""):
            await self.server.runtime.transact(lambda unit, id=session.id: sessions.end(unit, id, cause))

    async def delete_user(self) -> None:
        user_id = UUID(self.client.user_id or "")
        await self.server.runtime.transact(lambda unit: user_deletion.delete_user(unit, self.backend.team.id, user_id))

    async def reads_itself(self) -> bool:
        answer = await self.client.get(f"{USERS}/{self.client.user_id}")
        return answer.status_code == 200 and answer.json()["user_id"] == (self.client.user_id or "").lower()


def client_of(server: Server, store: Store, network: Network) -> AsyncJunctionClient:
    return AsyncJunctionClient(
        "http://gatepass.test", store=store, transport=network, now=lambda: server.clock.now() / 1000
    )


@pytest.fixture
async def app(sqlite_server: Server) -> AsyncIterator[App]:
    network, store = Network(sqlite_server.app), MemoryStore()
    async with client_of(sqlite_server, store, network) as client:
        yield App(await new_backend(sqlite_server), client, store, network)


@pytest.fixture
def pauses(app: App, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The client's pauses, spent on the manual clock."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)
        app.wait(seconds)

    monkeypatch.setattr("gatepass.client.driving.asyncio.sleep", pause)
    return made


# Signing in and out.


async def test_signs_in_and_acts_as_that_user(app: App) -> None:
    assert app.client.status == Status.NOTHING
    user_id = await app.sign_in()
    assert (app.client.user_id, app.client.status) == (user_id, WITH_A_TOKEN)
    assert await app.reads_itself()


@pytest.mark.parametrize("fate", ["lose answer", "lose request", 500, 503, 429])
async def test_a_repeated_sign_in_after_a_lost_answer_opens_the_same_session(app: App, fate: str | int) -> None:
    user_id = await app.user()
    token = await app.backend.sign_in_token(user_id)
    app.network.fate = first(fate, of=TOKEN)
    with pytest.raises(TemporarilyUnavailable):
        await app.client.sign_in(token)
    assert app.client.status == Status.NOTHING
    assert await app.client.sign_in(token) == user_id
    assert len(await sessions_of(app.server, user_id)) == 1
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


async def test_two_processes_that_sign_in_with_one_token_hold_one_pair(app: App) -> None:
    """The slow one must not put the first pair back over the one that its sibling has refreshed meanwhile."""
    user_id = await app.user()
    token = await app.backend.sign_in_token(user_id)
    sibling = app.relaunch()
    newer: dict[str, Any] = {}

    class SlowAnswer(Network):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await super().handle_async_request(request)
            await answer.aread()
            await sibling.sign_in(token)
            app.wait(HOUR)
            await sibling.get(f"{USERS}/{user_id}")
            newer.update(app.store.load())
            return answer

    slow = client_of(app.server, app.store, SlowAnswer(app.server.app))
    assert await slow.sign_in(token) == user_id
    assert app.store.load() == newer
    app.wait(HOUR)
    assert await app.reads_itself()


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


# Keeping the session.


async def test_refreshes_when_the_access_token_has_run_out(app: App) -> None:
    await app.sign_in()
    before = await app.client.access_token()
    app.wait(HOUR)
    assert await app.client.access_token() != before
    assert await app.reads_itself()
    assert app.network.calls(TOKEN) == 2


async def test_many_callers_share_one_flight(app: App) -> None:
    await app.sign_in()
    app.wait(HOUR)
    tokens = await asyncio.gather(*(app.client.access_token() for _ in range(20)))
    assert (len(set(tokens)), app.network.calls(TOKEN)) == (1, 2)


async def test_a_token_that_the_server_refuses_early_is_refreshed_and_the_call_repeated(app: App) -> None:
    """As after a restored backup of the phone, whose stored token claims a longer life than it has."""
    await app.sign_in()
    app.wait(HOUR + 60)
    app.store.save({**app.store.load(), "expires_at": app.server.clock.now() / 1000 + HOUR})
    assert await app.reads_itself()
    assert app.network.calls(TOKEN) == 2


@pytest.mark.parametrize("fate", ["lose answer", "lose request", 500, 503, 429])
async def test_an_outage_keeps_everything_and_the_old_token_works_a_week_later(
    app: App, fate: str | int, pauses: list[float]
) -> None:
    await app.sign_in()
    before = app.store.load()
    app.wait(HOUR)
    app.network.fate = first(fate, of=TOKEN, times=3)
    with pytest.raises(TemporarilyUnavailable):
        await app.client.access_token()
    assert (app.store.load(), app.client.status) == (before, WITH_A_TOKEN)
    assert len(pauses) == 2
    app.wait(7 * 24 * HOUR)
    assert await app.reads_itself()


def answering(app: App, status: int, content: bytes = b"", **headers: str) -> None:
    """From now on something else answers the token endpoint."""

    class Stranger(Network):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path != TOKEN:
                return await super().handle_async_request(request)
            self.sent.append((request.method, request.url.path))
            return httpx.Response(status, content=content, headers=headers, request=request)

    app.network = Stranger(app.server.app)
    app.client = app.relaunch()


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b"<html>Welcome to the hotel</html>"),
        (200, b'{"access_token": 1, "refresh_token": "x", "expires_in": 3600}'),
        (302, b""),
        (403, b'{"detail": "blocked"}'),
        (400, b'{"error": "invalid_request", "detail": "no"}'),
        (400, b'{"detail": {"error_type": "something_else"}}'),
        (400, b'{"detail": [1]}'),
        (401, b"null"),
    ],
)
async def test_only_the_servers_own_words_end_a_session(
    app: App, status: int, content: bytes, pauses: list[float]
) -> None:
    await app.sign_in()
    before = app.store.load()
    app.wait(HOUR)
    answering(app, status, content)
    with pytest.raises((TemporarilyUnavailable, Refused)):
        await app.client.access_token()
    assert app.store.load() == before


async def test_a_short_wait_that_the_server_asks_for_is_kept_before_trying_again(app: App, pauses: list[float]) -> None:
    await app.sign_in()
    app.wait(HOUR)
    answering(app, 503, **{"retry-after": "7"})
    with pytest.raises(TemporarilyUnavailable) as refused:
        await app.client.access_token()
    assert (pauses, refused.value.retry_after) == ([7, 7], 7)


@pytest.mark.parametrize("asked", ["120", "{date}"])
async def test_a_long_wait_is_handed_to_the_caller_and_not_cut_short(app: App, pauses: list[float], asked: str) -> None:
    from email.utils import formatdate

    await app.sign_in()
    app.wait(HOUR)
    answering(app, 429, **{"retry-after": asked.format(date=formatdate(app.server.clock.now() / 1000 + 120))})
    with pytest.raises(TemporarilyUnavailable) as refused:
        await app.client.access_token()
    assert 119 <= refused.value.retry_after <= 120
    assert (app.network.calls(TOKEN), pauses) == (1, [])


async def test_an_attempt_is_given_up_in_time_and_the_store_read_again(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process refreshes while this one hangs: its pair is the one to use."""
    await app.sign_in()
    app.wait(HOUR)
    sibling = app.relaunch()
    monkeypatch.setattr("gatepass.client.driving.ATTEMPT_TIMEOUT", 0.1)

    class Hanging(Network):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await sibling.access_token()
            await asyncio.Event().wait()
            raise AssertionError

    hanging = client_of(app.server, app.store, Hanging(app.server.app))
    async with asyncio.timeout(5):
        assert await hanging.access_token() == app.store.load()["access_token"]


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


async def test_the_end_of_an_old_token_does_not_end_a_newer_session(app: App) -> None:
    """While the refusal was under way, another process signed in again."""
    await app.client.identify("ada", app.authenticate)
    await app.end(Cause.ADMIN)
    app.wait(HOUR)

    async def sign_in_again() -> None:
        fresh = client_of(app.server, MemoryStore(), Network(app.server.app))
        await fresh.sign_in(await app.authenticate("ada"))
        app.store.save(fresh._session.store.load())

    class Slow(Network):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await super().handle_async_request(request)
            await answer.aread()
            await sign_in_again()
            return answer

    slow = client_of(app.server, app.store, Slow(app.server.app))
    assert await slow.access_token() == app.store.load()["access_token"]
    assert app.client.status == WITH_A_TOKEN


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

"""The client's half of the rotation bargain, over Elixir."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from gatepass.client import (
    AsyncElixirClient,
    Banned,
    FileStore,
    MemoryStore,
    NotSignedIn,
    Refused,
    SignedOut,
    Store,
    TemporarilyUnavailable,
)
from gatepass.core import sessions, users
from gatepass.core.unit import Unit
from harness import REFRESH, Server
from network import Network, first

HOUR = 3600


@dataclass
class App:
    """An app on a phone: its client, its keychain and its network."""

    server: Server
    client: AsyncElixirClient
    store: Store
    network: Network

    async def sign_in(self, email: str = "ada@example.com") -> None:
        asked = await self.server.ask_for_code(email)
        await self.client.verify_code(asked["transactionId"], asked["userCode"], device_model="Pixel 9")

    def relaunch(self) -> AsyncElixirClient:
        """The same store under a new client, as after a restart of the app."""
        return client_of(self.server, self.store, self.network)


def client_of(server: Server, store: Store, network: Network) -> AsyncElixirClient:
    return AsyncElixirClient(
        "http://gatepass.test",
        key=server.development_key,
        store=store,
        transport=network,
        now=lambda: server.clock.now() / 1000,
    )


@pytest.fixture
async def app(sqlite_server: Server) -> AsyncIterator[App]:
    network, store = Network(sqlite_server.app), MemoryStore()
    async with client_of(sqlite_server, store, network) as client:
        yield App(sqlite_server, client, store, network)


async def test_signs_in_by_code_and_reads_the_profile(app: App) -> None:
    transaction = await app.client.ask_for_code("ada@example.com")
    (mail,) = await app.server.deliver()
    assert mail.transaction_id == transaction
    assert await app.client.verify_code(transaction, mail.code or "") is True
    assert (await app.client.userinfo())["email"] == "ada@example.com"


async def test_a_wrong_code_is_refused_with_the_servers_number(app: App) -> None:
    transaction = await app.client.ask_for_code("ada@example.com")
    with pytest.raises(Refused) as refused:
        await app.client.verify_code(transaction, "not-it")
    assert refused.value.code == 1000
    assert not app.client.is_signed_in


async def test_a_second_device_signs_in_by_qr(app: App) -> None:
    await app.sign_in()
    shown = await app.client.show_qr()
    async with client_of(app.server, MemoryStore(), app.network) as second:
        await second.scan(shown["qrValue"], device_model="TV")
        assert (await second.userinfo())["sub"] == (await app.client.userinfo())["sub"]


async def test_refreshes_when_the_access_token_has_run_out(app: App) -> None:
    await app.sign_in()
    before = await app.client.access_token()
    app.server.clock.advance(seconds=HOUR)
    after = await app.client.access_token()
    assert after != before
    assert app.network.calls(REFRESH) == 1


async def test_many_callers_share_one_flight(app: App) -> None:
    await app.sign_in()
    app.server.clock.advance(seconds=HOUR)
    tokens = await asyncio.gather(*(app.client.access_token() for _ in range(20)))
    assert len(set(tokens)) == 1
    assert app.network.calls(REFRESH) == 1


@pytest.mark.parametrize("fate", ["lose answer", "lose request", 500, 503, 429])
async def test_one_lost_refresh_is_not_noticed(app: App, fate: str | int) -> None:
    await app.sign_in()
    app.server.clock.advance(seconds=HOUR)
    app.network.fate = first(fate, of=REFRESH)
    assert (await app.client.userinfo())["email"] == "ada@example.com"


@pytest.mark.parametrize("fate", ["lose answer", "lose request", 500, 503, 429])
async def test_an_outage_keeps_the_session(app: App, fate: str | int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return

    await app.sign_in()
    app.server.clock.advance(seconds=HOUR)
    app.network.fate = first(fate, of=REFRESH, times=3)
    monkeypatch.setattr("gatepass.client.driving.asyncio.sleep", at_once)
    with pytest.raises(TemporarilyUnavailable):
        await app.client.access_token()
    assert app.client.is_signed_in
    app.server.clock.advance(seconds=7 * 24 * HOUR)
    assert await app.client.access_token()


async def test_the_session_survives_a_restart_of_the_app(app: App, tmp_path: Path) -> None:
    app.store = FileStore(tmp_path / "keychain" / "session.json")
    app.client = app.relaunch()
    await app.sign_in()
    app.server.clock.advance(seconds=HOUR)
    assert (await app.relaunch().userinfo())["email"] == "ada@example.com"
    assert (tmp_path / "keychain" / "session.json").stat().st_mode & 0o077 == 0


async def test_a_slow_answer_never_overwrites_a_newer_pair(app: App) -> None:
    await app.sign_in()
    newer = {**app.store.load(), "refresh_token": "ff" * 36, "access_token": "newer"}
    app.server.clock.advance(seconds=HOUR)

    def another_process_refreshes_meanwhile(_: object) -> str:
        app.store.save({**newer, "expires_at": app.server.clock.now() / 1000 + HOUR})
        return "arrive"

    app.network.fate = another_process_refreshes_meanwhile
    assert await app.client.access_token() == "newer"
    assert app.store.load()["refresh_token"] == "ff" * 36


async def test_an_ended_session_is_dropped_and_said(app: App) -> None:
    await app.sign_in()
    user = await app.client.userinfo()

    async def end(unit: Unit) -> None:
        (session, *_) = await sessions.list_of_user(unit, app.server.team.id, UUID(user["sub"]))
        await sessions.end(unit, session.id, sessions.Cause.ADMIN)

    await app.server.runtime.transact(end)
    with pytest.raises(SignedOut):
        await app.client.userinfo()
    assert not app.client.is_signed_in
    with pytest.raises(NotSignedIn):
        await app.client.access_token()


@pytest.mark.parametrize("seconds", [0, HOUR], ids=["while its token lives", "at the next refresh"])
async def test_a_banned_user_is_told_why_and_the_session_is_forgotten(app: App, seconds: int) -> None:
    await app.sign_in()
    user = await app.client.userinfo()
    await app.server.runtime.transact(lambda unit: users.ban(unit, app.server.team.id, UUID(user["sub"]), "chargeback"))
    app.server.clock.advance(seconds=seconds)
    with pytest.raises(Banned) as banned:
        await app.client.userinfo()
    assert (banned.value.reason, app.store.load()) == ("chargeback", {})
    with pytest.raises(NotSignedIn):
        await app.client.userinfo()


async def test_a_ban_does_not_end_what_signed_in_after_it(app: App) -> None:
    """Another process signed in again while the refusal of the old token was under way."""
    await app.sign_in()
    old, user = app.store.load(), await app.client.userinfo()
    await app.server.runtime.transact(lambda unit: users.ban(unit, app.server.team.id, UUID(user["sub"]), ""))
    await app.server.runtime.transact(lambda unit: users.unban(unit, app.server.team.id, UUID(user["sub"])))
    await app.sign_in()
    new = app.store.load()
    app.store.save(old)

    def another_process_signs_in_meanwhile(_: object) -> str:
        app.store.save(new)
        return "arrive"

    app.network.fate = another_process_signs_in_meanwhile
    assert (await app.client.userinfo())["sub"] == user["sub"]
    assert app.store.load() == new


async def test_sign_out_works_without_a_network(app: App) -> None:
    await app.sign_in()
    app.network.fate = lambda _: "lose request"
    await app.client.sign_out()
    assert not app.client.is_signed_in


async def test_no_token_shows_in_reprs_and_errors(app: App) -> None:
    await app.sign_in()
    state = app.store.load()
    shown = f"{app.store!r} {app.client!r} {TemporarilyUnavailable()!r}"
    assert state["access_token"] not in shown
    assert state["refresh_token"] not in shown

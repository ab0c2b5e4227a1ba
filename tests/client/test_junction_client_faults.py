"""The client's half of the rotation bargain over Junction: what a phone keeps, whatever the network does to it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from junction_app import HOUR, WITH_A_TOKEN, App, client_of

from backend import TOKEN, USERS, sessions_of
from gatepass.client import MemoryStore, Refused, Status, TemporarilyUnavailable
from gatepass.core.sessions import Cause
from network import Network, first


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

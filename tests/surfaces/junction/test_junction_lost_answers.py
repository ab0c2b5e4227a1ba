"""Section 6.4: a phone that never got our answer, and a copy that somebody took."""

from __future__ import annotations

import asyncio

import pytest

from backend import USERS, Backend, MobileApp
from gatepass.adapters.database import Database
from gatepass.core import audit
from gatepass.core.audit import Event
from gatepass.core.sessions import Cause
from harness import Server, serve
from postgres import free_port


async def lose_a_refresh(app: MobileApp) -> str:
    """The server commits, the phone hears nothing; the successor it will be told again."""
    answer = await app.refresh(keep=False)
    assert answer.status_code == 200
    return str(answer.json()["refresh_token"])


@pytest.mark.parametrize("later", [1, 60, 7 * 86400], ids=["a second", "a minute", "a week"])
async def test_the_old_token_yields_the_same_successor_later(backend: Backend, later: int) -> None:
    app = await backend.sign_in()
    successor = await lose_a_refresh(app)
    backend.server.clock.advance(seconds=later)
    answer = await app.refresh()
    assert answer.json()["refresh_token"] == successor
    assert (await app.read()).status_code == 200


async def test_an_old_token_that_comes_back_after_its_successors_use_closes_the_session(backend: Backend) -> None:
    app = await backend.sign_in()
    old = app.tokens["refresh_token"]
    await app.refresh()
    await app.read()
    backend.server.clock.advance(seconds=31)
    thief = await app.refresh(old, keep=False)
    assert thief.json()["detail"]["error_type"] == "reauthentication_required"
    owner = await app.refresh()
    assert owner.json()["detail"]["error_type"] == "reauthentication_required"
    session = await app.session()
    assert session.end_cause is Cause.REUSE
    events = await backend.server.runtime.read(
        lambda unit: audit.list_events(unit, audit.Filter(session_id=session.id))
    )
    assert (events[0].event, events[0].detail["cause"]) == (Event.SESSION_ENDED, "reuse")


async def test_fifty_refreshes_at_once_have_one_successor(backend: Backend) -> None:
    app = await backend.sign_in()
    answers = await asyncio.gather(*(app.refresh(app.tokens["refresh_token"], keep=False) for _ in range(50)))
    assert [answer.status_code for answer in answers] == [200] * 50
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert (await app.session()).generation == 1


async def test_fifty_refreshes_spread_over_two_servers_have_one_successor(
    backend: Backend, server: Server, database_url: str
) -> None:
    app = await backend.sign_in()
    async with serve(database_url, clock=server.clock) as second:
        sibling = MobileApp(second, app.tokens)
        phones = [app, sibling] * 25
        answers = await asyncio.gather(*(phone.refresh(keep=False) for phone in phones))
        assert [answer.status_code for answer in answers] == [200] * 50
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        sibling.tokens = answers[0].json()
        assert (await sibling.read()).status_code == 200, "each reads what the other signed"
    assert (await app.session()).generation == 1


async def test_while_the_database_is_down_nothing_is_lost(
    backend: Backend, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = await backend.sign_in()
    token = await backend.sign_in_token(app.user_id)
    nowhere = Database(f"postgresql://127.0.0.1:{free_port()}/nowhere")
    monkeypatch.setattr(server.runtime, "database", nowhere)
    server.clock.advance(seconds=2)
    for answer in (await app.refresh(), await backend.exchange(token)):
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    for answer in (await app.read(), await backend.call("GET", USERS)):
        assert (answer.status_code, answer.json()) == (503, {"detail": "Temporarily unavailable"})
    monkeypatch.undo()
    await nowhere.dispose()
    assert (await app.refresh()).status_code == 200
    assert (await backend.exchange(token)).status_code == 200


async def test_a_lost_exchange_is_repeated_until_the_session_is_used(backend: Backend) -> None:
    user = await backend.create_user()
    token = await backend.sign_in_token(user["user_id"])
    first = await backend.exchange(token)
    backend.server.clock.advance(seconds=600)
    again = await backend.exchange(token)
    assert again.json()["refresh_token"] == first.json()["refresh_token"]
    app = MobileApp(backend.server, again.json())
    assert (await app.read()).status_code == 200
    assert (await backend.exchange(token)).json()["detail"]["error_type"] == "invalid_token"
    assert (await app.refresh()).status_code == 200, "the session lives on"


async def test_a_refresh_uses_the_sign_in_token_up_as_well(backend: Backend) -> None:
    user = await backend.create_user()
    token = await backend.sign_in_token(user["user_id"])
    app = MobileApp(backend.server, (await backend.exchange(token)).json())
    await app.refresh()
    assert (await backend.exchange(token)).json()["detail"]["error_type"] == "invalid_token"


async def test_exchanges_at_once_open_one_session(backend: Backend) -> None:
    user = await backend.create_user()
    token = await backend.sign_in_token(user["user_id"])
    answers = await asyncio.gather(*(backend.exchange(token) for _ in range(10)))
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_a_phone_is_remembered_by_the_sdk_that_used_it_last(backend: Backend) -> None:
    app = await backend.sign_in(**{"x-vital-ios-sdk-version": "4.1.2"})
    assert (await app.session()).sdk == "ios 4.1.2"
    backend.server.clock.advance(seconds=3600)
    await app.refresh()
    app.headers = {"x-vital-ios-sdk-version": "5.0.0"}
    await app.read()
    session = await app.session()
    assert (session.sdk, session.last_seen_at) == ("ios 5.0.0", backend.server.clock.now())

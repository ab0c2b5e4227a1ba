"""The server's clock jumps by an hour or a day, forward or back, as on a host whose time was set wrong.

A jump back never ends a session, a code once refused as expired stays expired, and nothing that counts or waits freezes.
"""

from __future__ import annotations

import pytest

from backend import new_backend
from gatepass.core import api_keys, audit, outbox
from gatepass.core.schema import DAY, HOUR, MINUTE
from gatepass.core.unit import Unit
from harness import LOGIN, REFRESH, VERIFY, Server, serve

JUMPS = pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY], ids=["-1 day", "-1 hour", "+1 hour", "+1 day"])
BACK = pytest.mark.parametrize("jump", [-DAY, -HOUR], ids=["-1 day", "-1 hour"])


@JUMPS
async def test_a_phone_stays_signed_in_there_and_back(server: Server, jump: int) -> None:
    phone = await server.sign_in()
    for ms in (jump, 5 * MINUTE, -jump, 5 * MINUTE):
        for _ in range(3):
            assert (await phone.refresh()).status_code == 200
            assert (await phone.userinfo()).status_code == 200
        lost = phone.refresh_token
        assert (await phone.refresh()).status_code == 200
        successor = phone.refresh_token
        server.clock.advance(ms=ms)
        again = await phone.refresh(lost)
        assert (again.status_code, phone.refresh_token) == (200, successor)


@JUMPS
async def test_a_backend_and_its_app_stay_signed_in_there_and_back(server: Server, jump: int) -> None:
    """Their tokens are signed by keys that have instants of their own."""
    backend = await new_backend(server)
    app = await backend.sign_in()
    for ms in (jump, -jump):
        server.clock.advance(ms=ms)
        assert (await app.refresh()).status_code == 200
        assert (await app.read()).status_code == 200
        user = await backend.create_user(f"member {ms}")
        assert (await (await backend.sign_in(user["user_id"])).read()).status_code == 200


@BACK
async def test_a_slow_sibling_from_before_a_jump_back_is_no_thief(server: Server, jump: int) -> None:
    """How long ago the token was spent cannot be told, and what cannot be told ends nothing."""
    phone = await server.sign_in()
    slow = phone.refresh_token
    for _ in range(3):
        await phone.refresh()
        await phone.userinfo()
    server.clock.advance(ms=jump)
    stored = phone.refresh_token

    answer = await phone.refresh(slow)

    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert (await phone.refresh(stored)).status_code == 200
    assert (await phone.userinfo()).status_code == 200
    server.clock.advance(seconds=61)
    refused = await phone.refresh(slow)  # the rotation since tells the time again
    assert refused.json()["error"]["code"] == "INVALID_REFRESH_TOKEN"


@BACK
async def test_a_code_once_refused_as_expired_stays_expired(server: Server, jump: int) -> None:
    asked = await server.ask_for_code("ada@example.com")
    body = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
    server.clock.advance(seconds=601)
    first = await server.post(VERIFY, body)
    server.clock.advance(ms=jump)

    again = await server.post(VERIFY, body)

    assert first.status_code == again.status_code == 400
    assert first.json()["error"] == again.json()["error"]


@JUMPS
async def test_limits_are_full_again_one_period_after_a_jump(database_url: str, jump: int) -> None:
    async with serve(database_url, limit_codes_per_address="2/hour,3/day", code_cooldown=30) as server:

        async def ask() -> int:
            return (await server.post(LOGIN, {"email": "ada@example.com"})).status_code

        assert await ask() == 200
        server.clock.advance(ms=jump)
        if jump > 0:
            server.clock.advance(ms=-jump)
        server.clock.advance(seconds=31)
        asked = []
        for _ in range(4):
            asked.append(await ask())
            server.clock.advance(seconds=31)
        assert 429 in asked, "a jump is no way around a limit"
        server.clock.advance(ms=DAY)
        assert await ask() == 200


@BACK
async def test_a_mail_that_waited_for_its_next_try_leaves_after_a_jump_back(server: Server, jump: int) -> None:
    await server.ask_for_code("ada@example.com", key=server.production_key)
    claimed = await claim_and_fail(server)
    assert claimed == 1
    server.clock.advance(ms=jump)

    assert len(await server.deliver()) == 1


async def claim_and_fail(server: Server) -> int:
    """A first try that failed: the mail is due again in a moment, by the clock of then."""

    async def work(unit: Unit) -> int:
        mails = await outbox.claim(unit)
        for claimed in mails:
            await outbox.put_back(unit, claimed, "no answer")
        return len(mails)

    return await server.runtime.transact(work)


@BACK
async def test_a_key_revoked_after_a_jump_back_is_dead_at_once(server: Server, jump: int) -> None:
    phone = await server.sign_in()
    server.clock.advance(ms=jump)
    assert (await phone.refresh()).status_code == 200

    async def revoke(unit: Unit) -> None:
        for key in await api_keys.list_keys(unit, server.team.id):
            await api_keys.revoke(unit, key.id)

    await server.runtime.transact(revoke)

    assert (await server.post(REFRESH, {"refreshToken": phone.refresh_token})).json()["error"]["code"] == 1001
    events = await server.runtime.read(lambda unit: audit.list_events(unit, audit.Filter(team_id=server.team.id)))
    assert audit.Event.KEY_REVOKED in {event.event for event in events}

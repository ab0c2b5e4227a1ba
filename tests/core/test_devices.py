"""A user's signed-in devices: listed, signed out one by one, or all."""

from __future__ import annotations

from uuid import UUID

import jwt
import pytest

from gatepass.core import devices, sessions
from gatepass.core.errors import NotFound
from gatepass.core.explain import explain
from gatepass.core.schema import DAY
from gatepass.core.sessions import Session
from harness import Phone, Server


def session_of(phone: Phone) -> UUID:
    return UUID(jwt.decode(phone.bundle["token"], options={"verify_signature": False})["sid"])


async def row(server: Server, phone: Phone) -> Session:
    return await server.runtime.read(lambda unit: sessions.get(unit, session_of(phone)))


async def listed(server: Server, of: Session) -> list[str | None]:
    found = await server.runtime.read(lambda unit: devices.list_open(unit, of.team_id, of.user_id))
    return [session.device_model for session in found]


async def test_open_sessions_are_listed_the_one_seen_last_first(server: Server) -> None:
    phone = await server.sign_in(deviceModel="phone")
    server.clock.advance(seconds=60)
    tablet = await server.sign_in(deviceModel="tablet")
    await server.sign_in("eve@example.com", deviceModel="eve's")
    server.clock.advance(seconds=60)
    await phone.userinfo()
    by = await row(server, phone)
    assert await listed(server, by) == ["phone", "tablet"]

    await tablet.sign_out()
    assert await listed(server, by) == ["phone"]
    server.clock.advance(ms=180 * DAY)
    assert await listed(server, by) == []


async def test_one_device_signs_out_another_and_its_story_says_so(server: Server) -> None:
    phone, tablet = await server.sign_in(), await server.sign_in()
    by, other = await row(server, phone), await row(server, tablet)
    await server.runtime.transact(lambda unit: devices.sign_out(unit, by, other.id))

    assert (await tablet.refresh()).json()["error"]["code"] == "INVALID_REFRESH_TOKEN"
    assert (await phone.refresh()).status_code == 200
    told = await server.runtime.read(lambda unit: explain(unit, other.id))
    assert told.summary.startswith(f"The user signed this device out from another one, session {by.id}")
    assert told.timeline[-1].words == f"Ended: the user signed it out from session {by.id}."

    await server.runtime.transact(lambda unit: devices.sign_out(unit, by, other.id))
    assert len((await server.runtime.read(lambda unit: explain(unit, other.id))).timeline) == 2


async def test_a_device_signs_itself_out(server: Server) -> None:
    phone = await server.sign_in()
    by = await row(server, phone)
    await server.runtime.transact(lambda unit: devices.sign_out(unit, by, by.id))
    told = await server.runtime.read(lambda unit: explain(unit, by.id))
    assert told.timeline[-1].words == "Ended: the device signed out."


async def test_nobody_signs_out_a_strangers_device(server: Server) -> None:
    phone, eves = await server.sign_in(), await server.sign_in("eve@example.com")
    by, stranger = await row(server, phone), await row(server, eves)
    for wanted in (stranger.id, UUID(int=7)):
        with pytest.raises(NotFound):
            await server.runtime.transact(lambda unit, wanted=wanted: devices.sign_out(unit, by, wanted))
    assert (await eves.refresh()).status_code == 200


async def test_all_others_are_signed_out_and_nobody_elses(server: Server) -> None:
    phone, tablet, tv = [await server.sign_in() for _ in range(3)]
    eves = await server.sign_in("eve@example.com")
    by = await row(server, phone)
    assert await server.runtime.transact(lambda unit: devices.sign_out_others(unit, by)) == 2
    assert [(await one.refresh()).status_code for one in (phone, tablet, tv, eves)] == [200, 400, 400, 200]
    assert await server.runtime.transact(lambda unit: devices.sign_out_everywhere(unit, by)) == 1
    assert (await phone.refresh()).status_code == 400

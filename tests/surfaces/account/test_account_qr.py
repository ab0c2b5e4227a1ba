"""Security: the QR value that a signed-in browser shows, from every side but the camera's (tests/browser has that)."""

from __future__ import annotations

import asyncio
import re

import pytest
from sqlalchemy import func, select
from visitor import Visitor, set_team, visitor

from gatepass.core import account_browsers, audit, devices, qr, sessions, users
from gatepass.core.account_browsers import SignedIn
from gatepass.core.api_keys import Environment
from gatepass.core.audit import Filter
from gatepass.core.qr import Shown
from gatepass.core.schema import SECOND
from gatepass.core.unit import Unit
from harness import QR_VERIFY, Server

COOKIE = "gatepass-account-8000"
PART = {"hx-request": "true"}


async def who(browser: Visitor) -> SignedIn:
    value = browser.client.cookies[COOKIE]
    found = await browser.server.runtime.read(lambda unit: account_browsers.find(unit, value))
    assert found is not None
    return found


async def shown(browser: Visitor, environment: Environment | None = None) -> Shown:
    """A value that the browser's session shows, known to the test as a camera would know it."""
    issuer = (await who(browser)).session
    return await browser.server.runtime.transact(lambda unit: qr.show(unit, issuer, environment=environment))


async def scan(server: Server, value: object, *, key: str | None = None, model: str = "Pixel 9") -> int:
    body = {"qrValue": f"REIKEY:{value}", "deviceModel": model}
    return (await server.post(QR_VERIFY, body, key=key or server.production_key)).status_code


async def test_the_value_is_drawn_and_stands_in_no_text_and_no_address(ada: Visitor) -> None:
    await ada.sign_in()
    page = await ada.send("/account/security/qr")
    assert page.status_code == 200
    assert 'class="qr-drawing"' in page.text
    assert "REIKEY" not in page.text
    assert "ada@example.com" in page.text
    assert (await who(ada)).user.nickname in page.text
    (qr_id,) = set(re.findall(r"/account/security/qr/([0-9a-f-]{36})", page.text))
    part = await ada.client.get(f"/account/security/qr/{qr_id}", headers=PART)
    assert (part.status_code, part.content) == (204, b"")


async def test_a_scanned_value_names_the_device_and_its_session(ada: Visitor) -> None:
    await ada.sign_in()
    value = await shown(ada)
    assert await scan(ada.server, value.value, model="<b>Pixel") == 200
    page = await ada.open(f"/account/security/qr/{value.id}")
    assert "Used" in page.text
    assert "&lt;b&gt;Pixel" in page.text
    (session_id,) = re.findall(r"/account/devices/([0-9a-f-]{36})/sign-out", page.text)
    page = await ada.send(f"/account/devices/{session_id}/sign-out")
    assert "The device is signed out" in page.text
    ended = [one for one in await everything(ada) if one.device_model == "<b>Pixel"]
    assert [one.end_cause for one in ended] == ["signed_out"]


async def everything(browser: Visitor) -> list[sessions.Session]:
    user = (await who(browser)).user
    return await browser.server.runtime.read(lambda unit: sessions.list_of_user(unit, user.team_id, user.id))


async def test_a_value_is_scanned_once(ada: Visitor) -> None:
    await ada.sign_in()
    value = await shown(ada)
    answers = await asyncio.gather(*(scan(ada.server, value.value) for _ in range(5)))
    assert sorted(answers) == [200, 400, 400, 400, 400]


async def test_a_value_dies_with_its_life_and_says_so(ada: Visitor) -> None:
    await ada.sign_in()
    value = await shown(ada)
    ada.server.clock.advance(ms=120 * SECOND)
    assert await scan(ada.server, value.value) == 400
    part = await ada.client.get(f"/account/security/qr/{value.id}?lives=2", headers=PART)
    assert "A fresh code is on its way" in part.text
    assert 'hx-trigger="load' in part.text
    assert 'name="lives" value="1"' in part.text
    last = await ada.client.get(f"/account/security/qr/{value.id}?lives=1", headers=PART)
    assert "Nobody scanned the code in time" in last.text
    assert 'hx-trigger="load' not in last.text


@pytest.mark.parametrize("lives", ["", "0", "6", "-1", "1e9", "９", "x" * 5000])
async def test_nobody_makes_a_page_renew_itself_for_ever(ada: Visitor, lives: str) -> None:
    await ada.sign_in()
    value = await shown(ada)
    ada.server.clock.advance(ms=120 * SECOND)
    part = await ada.client.get(f"/account/security/qr/{value.id}", params={"lives": lives}, headers=PART)
    assert part.status_code == 200
    assert 'hx-trigger="load' not in part.text


async def test_a_cancelled_value_opens_nothing(ada: Visitor) -> None:
    await ada.sign_in()
    value = await shown(ada)
    page = await ada.send(f"/account/security/qr/{value.id}/cancel")
    assert "Cancelled" in page.text
    assert await scan(ada.server, value.value) == 400


async def test_a_fresh_value_ends_the_one_before(ada: Visitor) -> None:
    await ada.sign_in()
    value = await shown(ada)
    await ada.send("/account/security/qr")
    assert await scan(ada.server, value.value) == 400
    assert "Cancelled" in (await ada.open(f"/account/security/qr/{value.id}")).text


@pytest.mark.parametrize("end", ["sign-out", "device", "ban", "operator"])
async def test_when_the_browser_is_signed_out_what_it_showed_opens_nothing(ada: Visitor, end: str) -> None:
    await ada.sign_in()
    signed = await who(ada)
    value = await shown(ada)

    async def work(unit: Unit) -> None:
        if end == "ban":
            await users.ban(unit, signed.team.id, signed.user.id, "")
        elif end == "operator":
            await sessions.end(unit, signed.session.id, sessions.Cause.ADMIN)
        elif end == "device":
            await devices.sign_out_everywhere(unit, signed.session)

    if end == "sign-out":
        await ada.send("/account/sign-out")
    await ada.server.runtime.transact(work)
    assert await scan(ada.server, value.value) == 400
    part = await ada.client.get(f"/account/security/qr/{value.id}", headers=PART)
    assert part.status_code == 401
    assert part.headers["hx-redirect"].startswith("/account")


async def test_another_users_value_is_none_of_this_ones_business(ada: Visitor) -> None:
    await ada.sign_in()
    eve = visitor(ada.server)
    await eve.sign_in("eve@example.com")
    value = await shown(ada)
    for path in (f"/account/security/qr/{value.id}", "/account/security/qr/none", "/account/security/qr/%00"):
        assert (await eve.open(path)).status_code == 404
    await eve.open("/account/security")
    assert (await eve.send(f"/account/security/qr/{value.id}/cancel")).status_code == 404
    assert await scan(ada.server, value.value) == 200


async def test_a_development_build_needs_a_value_of_its_own(ada: Visitor) -> None:
    await ada.sign_in()
    for environment, key in ((Environment.DEVELOPMENT, "development_key"), (None, "production_key")):
        value = await shown(ada, environment)
        wrong = {"development_key": "production_key", "production_key": "development_key"}[key]
        assert await scan(ada.server, value.value, key=getattr(ada.server, wrong)) == 400
        assert await scan(ada.server, value.value, key=getattr(ada.server, key)) == 200
    await ada.open("/account/security")
    assert "For a development build" in (await ada.send("/account/security/qr", environment="development")).text
    await set_team(ada.server, accept_development_keys=False)
    assert "development build" not in (await ada.open("/account/security")).text
    assert "development build" not in (await ada.send("/account/security/qr", environment="development")).text


async def test_without_the_forms_token_nothing_is_shown(ada: Visitor) -> None:
    await ada.sign_in()
    signed = await who(ada)
    assert (await ada.client.post("/account/security/qr", data={})).status_code == 403
    assert (await ada.client.get("/account/security/qr")).status_code == 405

    async def count(unit: Unit) -> int | None:
        query = select(func.count()).select_from(qr.qr_codes).where(qr.qr_codes.c.issuer_id == signed.session.id)
        return await unit.db.scalar(query)

    assert await ada.server.runtime.read(count) == 0


async def test_the_audit_log_tells_who_showed_and_what_it_opened(ada: Visitor) -> None:
    await ada.sign_in()
    signed = await who(ada)
    value = await shown(ada)
    await scan(ada.server, value.value)
    events = await ada.server.runtime.read(
        lambda unit: audit.list_events(unit, Filter(team_id=signed.team.id, user_id=signed.user.id))
    )
    assert [event.event for event in reversed(events)] == [
        "user_created",
        "session_opened",
        "qr_shown",
        "session_opened",
    ]
    opened = next(one for one in await everything(ada) if one.proof == "qr")
    assert opened.opened_by == signed.session.id

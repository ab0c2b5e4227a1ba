"""Devices, activity and profile: what a user sees of the account, and may change."""

from __future__ import annotations

import re

import pytest
from visitor import FIREFOX, Visitor, set_team, visitor

from gatepass.core import account_browsers, user_listing
from gatepass.core.schema import HOUR, MINUTE
from gatepass.core.users import User
from harness import Phone, Server

COOKIE = "gatepass-account-8000"
HOSTILE = "<script>alert(1)</script>\"'"


async def user_of(browser: Visitor) -> User:
    value = browser.client.cookies[COOKIE]
    found = await browser.server.runtime.read(lambda unit: account_browsers.find(unit, value))
    assert found is not None
    return found.user


def device_ids(page: str) -> list[str]:
    return re.findall(r"/account/devices/([0-9a-f-]{36})/sign-out", page)


async def test_devices_tell_where_from_since_when_and_last_seen(ada: Visitor) -> None:
    phone = await ada.server.sign_in(deviceModel="Pixel 9")
    ada.server.clock.advance(ms=HOUR)
    await phone.userinfo()
    ada.server.clock.advance(ms=2 * MINUTE)
    await ada.sign_in()
    page = (await ada.open("/account/devices")).text
    assert "Pixel 9" in page
    assert "with an e-mailed code" in page
    assert "192.0.2.1" in page
    assert "2 minutes ago" in page
    assert "development build" in page
    assert page.index("Firefox on Linux") < page.index("this browser") < page.index("Pixel 9")
    assert len(device_ids(page)) == 1


async def test_a_device_is_signed_out_and_its_refresh_refused(ada: Visitor) -> None:
    phone, tablet = await ada.server.sign_in(), await ada.server.sign_in()
    await ada.sign_in()
    (newer, older) = device_ids((await ada.open("/account/devices")).text)
    page = await ada.send(f"/account/devices/{older}/sign-out")
    assert "The device is signed out" in page.text
    assert device_ids(page.text) == [newer]
    assert sorted([(await phone.refresh()).status_code, (await tablet.refresh()).status_code]) == [200, 400]


async def test_all_others_or_everything_is_signed_out(ada: Visitor) -> None:
    phones = [await ada.server.sign_in() for _ in range(2)]
    eve = await ada.server.sign_in("eve@example.com")
    await ada.sign_in()
    await ada.open("/account/devices")
    page = await ada.send("/account/devices/sign-out-others")
    assert "2 devices signed out." in page.text
    assert [await status(phone) for phone in (*phones, eve)] == [400, 400, 200]
    page = await ada.send("/account/devices/sign-out-everywhere")
    assert "You are signed out on every device." in page.text
    assert (await ada.open("/account/devices")).url.path != "/account/devices"


async def status(phone: Phone) -> int:
    return (await phone.refresh()).status_code


async def test_nobody_signs_out_a_strangers_device(ada: Visitor) -> None:
    await ada.server.sign_in("eve@example.com")
    eve = visitor(ada.server)
    await eve.sign_in("eve@example.com")
    (of_eve,) = device_ids((await eve.open("/account/devices")).text)
    await ada.sign_in()
    for wanted in (of_eve, "none", "00000000-0000-4000-8000-000000000000"):
        await ada.open("/account/devices")
        assert (await ada.send(f"/account/devices/{wanted}/sign-out")).status_code == 404
    assert device_ids((await eve.open("/account/devices")).text) == [of_eve]


@pytest.mark.parametrize(
    "path", ["sign-out-others", "sign-out-everywhere", "00000000-0000-4000-8000-000000000000/sign-out"]
)
async def test_without_the_forms_token_nobody_is_signed_out(ada: Visitor, path: str) -> None:
    phone = await ada.server.sign_in()
    await ada.sign_in()
    assert (await ada.client.post(f"/account/devices/{path}", data={})).status_code == 403
    assert await status(phone) == 200


async def test_hostile_names_are_text_everywhere(ada: Visitor) -> None:
    await set_team(ada.server, name=f"Team {HOSTILE}")
    await ada.server.sign_in(deviceModel=HOSTILE)
    hostile = visitor(ada.server, user_agent=f"{FIREFOX} {HOSTILE}")
    await hostile.sign_in()
    await hostile.open("/account/profile")
    await hostile.send("/account/profile", nickname=HOSTILE, language="")
    assert (await user_of(hostile)).nickname == HOSTILE
    for path in ("/account/security", "/account/devices", "/account/activity", "/account/profile"):
        page = (await hostile.open(path)).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


async def test_activity_tells_what_happened_in_its_owners_words(ada: Visitor) -> None:
    phone = await ada.server.sign_in(deviceModel="Pixel 9")
    ada.server.clock.advance(ms=MINUTE)
    await phone.sign_out()
    ada.server.clock.advance(ms=MINUTE)
    await ada.sign_in()
    for _ in range(3):
        await ada.send("/account/security/qr")
    page = (await ada.open("/account/activity")).text
    order = ["Showed a QR code", "3 times", "Firefox on Linux", "Signed out", "Pixel 9", "The account was made"]
    assert [page.index(words) for words in order] == sorted(page.index(words) for words in order)


async def test_activity_goes_on_a_page_at_a_time_and_tells_nobody_elses(ada: Visitor) -> None:
    for _ in range(20):
        await (await ada.server.sign_in()).sign_out()
        ada.server.clock.advance(ms=MINUTE)
    await ada.server.sign_in("eve@example.com", deviceModel="eve's phone")
    await ada.sign_in()
    page = (await ada.open("/account/activity")).text
    assert "eve" not in page
    rows = len(re.findall("<tr><th scope=.row", page))
    while older := re.search(r'href="(/account/activity\?before=[0-9a-f-]+)"', page):
        page = (await ada.open(older[1])).text
        rows += len(re.findall("<tr><th scope=.row", page))
    assert rows == 20 + 20 + 1 + 1
    assert "The account was made" in page
    assert (await ada.open("/account/activity?before=nonsense")).status_code == 200


async def test_a_suspension_for_reuse_is_told(ada: Visitor) -> None:
    phone = await ada.server.sign_in()
    spent = phone.refresh_token
    await phone.refresh()
    await phone.userinfo()
    ada.server.clock.advance(seconds=90)
    assert (await phone.refresh(spent)).status_code == 400
    await ada.sign_in()
    assert "a copy of its sign-in turned up elsewhere" in (await ada.open("/account/activity")).text


async def test_a_name_and_a_language_are_kept_and_mails_are_written_in_it(ada: Visitor) -> None:
    await ada.sign_in()
    await ada.open("/account/profile")
    page = await ada.send("/account/profile", nickname="  Ada  ", language="pt-BR")
    assert "Saved." in page.text
    user = await user_of(ada)
    assert (user.nickname, user.language) == ("Ada", "pt-BR")
    await ada.send("/account/sign-out")
    await ada.ask()
    assert any("código de login" in mail.subject for mail in await ada.server.deliver())

    await ada.sign_in()
    await ada.open("/account/profile")
    await ada.send("/account/profile", nickname="Ada", language="")
    assert (await user_of(ada)).language is None


@pytest.mark.parametrize("nickname", ["", "   ", "x" * 65, "a\u2028b", "a\0b", "a\nb"])
async def test_what_is_no_name_is_said_and_shown_again(ada: Visitor, nickname: str) -> None:
    await ada.sign_in()
    before = await user_of(ada)
    await ada.open("/account/profile")
    page = await ada.send("/account/profile", nickname=nickname, language="de")
    assert page.status_code == 422
    assert "A name has 1 to 64 printable characters" in page.text
    assert await user_of(ada) == before


async def test_a_language_without_words_is_refused(ada: Visitor) -> None:
    await ada.sign_in()
    await ada.open("/account/profile")
    assert (await ada.send("/account/profile", nickname="Ada", language="tlh")).status_code == 422


async def test_every_language_of_the_mails_can_be_chosen(ada: Visitor) -> None:
    from gatepass.adapters.mail.compose import languages
    from gatepass.surfaces.account.profile import NAMES

    assert set(NAMES) == set(languages().values())


async def test_the_pages_wear_the_teams_name_and_colour(ada: Visitor) -> None:
    assert "--pico-primary:" not in (await ada.open(ada.home)).text
    await set_team(ada.server, colour="#FFB000", name="Acme Games")
    page = (await ada.open(ada.home)).text
    assert "--pico-primary-background: #ffb000" in page
    assert "--pico-primary-inverse: #000000" in page
    assert "Acme Games" in page
    (nonce,) = set(re.findall(r'<style nonce="(\w+)"', page))
    assert f"'nonce-{nonce}'" in ada.page.headers["content-security-policy"]


async def test_a_change_is_by_the_user_whose_cookie_it_is(paged: Server) -> None:
    """Two people at one server, each in a browser: neither sees or changes what is the other's."""
    ada, eve = visitor(paged), visitor(paged)
    await ada.sign_in("ada@example.com")
    await eve.sign_in("eve@example.com")
    await eve.open("/account/profile")
    await eve.send("/account/profile", nickname="Eve", language="")
    assert (await user_of(ada)).nickname != "Eve"
    found, _ = await paged.runtime.read(lambda unit: user_listing.list_page(unit, paged.team.id, search="eve@"))
    assert found[0].nickname == "Eve"

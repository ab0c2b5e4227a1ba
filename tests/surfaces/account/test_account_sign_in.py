"""The door of My Account: an e-mailed code opens a session that a browser's cookie holds."""

from __future__ import annotations

import re

import httpx
import pytest
from visitor import CHROME, Visitor, set_team, visitor

from gatepass.adapters import migrations
from gatepass.adapters.database import Database
from gatepass.core import account_browsers, devices, sessions, teams, users
from gatepass.core.addresses import Address
from gatepass.core.browser_sessions import ABSOLUTE, IDLE, Kind
from gatepass.core.explain import explain
from gatepass.core.schema import MINUTE
from gatepass.core.sessions import Session
from gatepass.core.unit import Unit
from harness import Server, serve

COOKIE = "gatepass-account-8000"


async def session_of(browser: Visitor) -> Session:
    """The session that the browser's cookie holds."""
    value = browser.client.cookies[COOKIE]
    found = await browser.server.runtime.read(lambda unit: account_browsers.find(unit, value))
    assert found is not None
    return found.session


def is_inside(page: httpx.Response) -> bool:
    """Whether it is the page that only a user of the account sees; else, that it is the door."""
    inside = page.url.path == "/account/security"
    assert inside == ("Sign in another device" in page.text)
    return inside


async def test_a_code_opens_a_session_like_a_phones(ada: Visitor) -> None:
    page = await ada.sign_in()
    assert page.status_code == 200
    assert "Security" in page.text
    session = await session_of(ada)
    assert (session.surface, session.proof, session.environment) == ("elixir", "otp", "production")
    assert (session.device_model, session.client_address) == ("Firefox on Linux", "192.0.2.1")
    now = ada.server.clock.now()
    assert session.idle_expires_at == now + IDLE[Kind.USER]
    assert session.absolute_expires_at == now + ABSOLUTE[Kind.USER]
    told = await ada.server.runtime.read(lambda unit: explain(unit, session.id))
    assert told.timeline[0].words == "Opened with an e-mailed code on Firefox on Linux."
    assert told.summary.startswith("The session is open in a browser")


async def test_signing_in_gives_a_cookie_that_nobody_had_before(ada: Visitor) -> None:
    await ada.open(ada.home)
    before = ada.client.cookies[COOKIE]
    await ada.sign_in()
    assert ada.client.cookies[COOKIE] != before
    planted = visitor(ada.server)
    planted.client.cookies.set(COOKIE, before, domain="127.0.0.1")
    assert not is_inside(await planted.open("/account/security"))


async def test_cookies_are_kept_from_scripts_and_other_sites(ada: Visitor) -> None:
    code = await ada.ask()
    answer = await ada.send(f"{ada.home}/code", follow=False, code=code)
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) >= 2
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/" in cookie
        assert "Secure" not in cookie


async def test_over_https_no_other_host_can_plant_a_cookie(sqlite_url: str) -> None:
    async with serve(sqlite_url, public_url="https://auth.example.com") as server:
        await set_team(server, account_pages=True)
        answer = await server.client.get(f"/account/{server.team.id}")
        (cookie,) = answer.headers.get_list("set-cookie")
        assert cookie.startswith("__Host-gatepass-account=")
        assert "Secure" in cookie


async def test_a_wrong_code_is_said_and_the_right_one_still_works(ada: Visitor) -> None:
    code = await ada.ask()
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    page = await ada.send(f"{ada.home}/code", code=wrong)
    assert page.status_code == 400
    assert "That is not the code" in page.text
    assert wrong not in page.text
    assert "not the code" in (await ada.send(f"{ada.home}/code", code="nonsense")).text
    assert (await ada.send(f"{ada.home}/code", code=f" {code[:3]}-{code[3:]} ")).status_code == 200


async def test_wrong_codes_run_out_and_the_right_one_comes_too_late(ada: Visitor) -> None:
    code = await ada.ask()
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(4):
        assert (await ada.send(f"{ada.home}/code", code=wrong)).status_code == 400
    assert "Too many wrong codes" in (await ada.send(f"{ada.home}/code", code=wrong)).text
    assert str(ada.page.url).endswith(f"{ada.home}/code")
    assert not is_inside(await ada.open("/account/security"))


async def test_a_code_works_once(ada: Visitor) -> None:
    code = await ada.ask()
    other = visitor(ada.server)
    other.client.cookies = ada.client.cookies
    other.page = ada.page
    assert (await ada.send(f"{ada.home}/code", code=code)).status_code == 200
    assert "Send me a code" in (await other.send(f"{ada.home}/code", code=code)).text


async def test_a_code_dies_with_its_life(ada: Visitor) -> None:
    code = await ada.ask()
    ada.server.clock.advance(ms=10 * MINUTE)
    assert "no longer works" in (await ada.send(f"{ada.home}/code", code=code)).text


def anonymous(page: str, email: str) -> str:
    """The page without what differs by chance, and without the address that was typed."""
    without_chance = re.sub(r'nonce="\w+"|value="[\w-]+"|content="[^"]*nonce[^"]*"', "", page)
    return without_chance.replace(email, "ADDRESS")


@pytest.mark.parametrize("sign_up", ["open", "known", "closed"])
async def test_asking_looks_the_same_for_everybody(ada: Visitor, sign_up: str) -> None:
    server = ada.server
    address = Address.parse("banned@example.com")

    async def ban(unit: Unit) -> None:
        made = await users.create(unit, server.team.id, address=address)
        await users.ban(unit, server.team.id, made.id, "cheating")
        await users.create(unit, server.team.id, address=Address.parse("known@example.com"))

    await server.runtime.transact(ban)
    await set_team(server, sign_up=teams.SignUp(sign_up))
    pages = set()
    for email in ("known@example.com", "unknown@example.com", "banned@example.com"):
        browser = visitor(server)
        await browser.ask(email)
        assert browser.page.status_code == 200
        first = anonymous(browser.page.text, email)
        wrong = await browser.send(f"{browser.home}/code", code="000000")
        pages.add((first, wrong.status_code, anonymous(wrong.text, email)))
    assert len(pages) == 1


async def test_a_suspended_user_reads_why_and_stays_outside(ada: Visitor) -> None:
    await ada.sign_in()
    user_id = (await session_of(ada)).user_id
    await ada.server.runtime.transact(lambda unit: users.ban(unit, ada.server.team.id, user_id, "cheating <b>"))
    assert not is_inside(await ada.open("/account/security"))
    page = await ada.send(f"{ada.home}/code", code=await ada.ask())
    assert page.status_code == 403
    assert "cheating &lt;b&gt;" in page.text


async def test_what_is_no_address_is_said_and_shown_again(ada: Visitor) -> None:
    await ada.open(ada.home)
    page = await ada.send(ada.home, email='"><script>alert(1)</script>')
    assert page.status_code == 422
    assert "That is not an e-mail address" in page.text
    assert "<script>alert" not in page.text


async def test_asking_is_throttled_as_in_the_api(sqlite_url: str) -> None:
    async with serve(sqlite_url, limit_codes_per_client_and_address="2/hour") as server:
        await set_team(server, account_pages=True)
        browser = visitor(server)
        await browser.ask()
        await server.ask_for_code("ada@example.com")
        await browser.open(browser.home)
        page = await browser.send(browser.home, email="ada@example.com")
        assert page.status_code == 429
        assert "Too many attempts. Try again in" in page.text
        assert int(page.headers["retry-after"]) > 0


async def test_a_form_needs_the_token_of_its_visitor_and_its_own_origin(ada: Visitor) -> None:
    await ada.open(ada.home)
    token = ada.token
    for data in ({}, {"csrf": ""}, {"csrf": "x" * 43}, {"csrf": token[:-2] + "AA"}):
        answer = await ada.client.post(ada.home, data={**data, "email": "ada@example.com"})
        assert answer.status_code == 403, data
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        data = {"csrf": token, "email": "ada@example.com"}
        assert (await ada.client.post(ada.home, data=data, headers=headers)).status_code == 403
    other = visitor(ada.server)
    await other.open(other.home)
    assert (await other.client.post(other.home, data={"csrf": token, "email": "x@example.com"})).status_code == 403
    assert await ada.server.deliver() == []


async def test_every_page_forbids_what_it_does_not_bring(ada: Visitor) -> None:
    await ada.sign_in()
    for path in ("/account/security", "/account/devices", "/account/activity", "/account/profile", "/account/nowhere"):
        page = await ada.open(path)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r'(?:src|href|action)="(?!/|#|data:,|\?)', page.text)
        assert not re.search(r"\sstyle=|\son\w+=", page.text)


async def test_signing_out_ends_the_session(ada: Visitor) -> None:
    await ada.sign_in()
    session = await session_of(ada)
    value = ada.client.cookies[COOKIE]
    page = await ada.send("/account/sign-out")
    assert "You are signed out" in page.text
    ended = await ada.server.runtime.read(lambda unit: sessions.get(unit, session.id))
    assert ended.end_cause == "signed_out"
    ada.client.cookies.set(COOKIE, value, domain="127.0.0.1")
    assert not is_inside(await ada.open("/account/security"))


@pytest.mark.parametrize("how", ["idle", "absolute"])
async def test_a_browser_that_is_not_used_is_signed_out(ada: Visitor, how: str) -> None:
    await ada.sign_in()
    session = await session_of(ada)
    if how == "absolute":
        for _ in range(ABSOLUTE[Kind.USER] // (IDLE[Kind.USER] // 2) - 1):
            ada.server.clock.advance(ms=IDLE[Kind.USER] // 2)
            assert is_inside(await ada.open("/account/security"))
        ada.server.clock.advance(ms=IDLE[Kind.USER] // 2)
    else:
        ada.server.clock.advance(ms=IDLE[Kind.USER] // 2)
        assert is_inside(await ada.open("/account/security"))
        ada.server.clock.advance(ms=IDLE[Kind.USER])
    assert not is_inside(await ada.open("/account/security"))
    told = await ada.server.runtime.read(lambda unit: explain(unit, session.id))
    assert told.timeline[-1].event == "session_expired"
    by_user = await ada.server.runtime.read(lambda unit: devices.list_open(unit, session.team_id, session.user_id))
    assert by_user == []


async def test_signing_in_again_in_the_same_browser_leaves_one_session(ada: Visitor) -> None:
    await ada.sign_in()
    first = await session_of(ada)
    eves = await ada.sign_in("eve@example.com")
    assert "eve@example.com" in eves.text
    ended = await ada.server.runtime.read(lambda unit: sessions.get(unit, first.id))
    assert ended.end_cause == "signed_out"


async def test_a_browser_is_known_again_after_signing_out(ada: Visitor) -> None:
    await ada.sign_in()
    await ada.send("/account/sign-out")
    await ada.sign_in()
    assert [mail for mail in await ada.server.deliver() if mail.code is None] == []
    other = visitor(ada.server, user_agent=CHROME)
    await other.sign_in()
    (notice,) = [mail for mail in await ada.server.deliver() if mail.code is None]
    assert "Chrome on Android" in notice.text


async def test_another_teams_pages_know_nothing_of_this_ones_user(ada: Visitor) -> None:
    await ada.sign_in()
    team, _, _ = await ada.server.new_team("Other")
    assert (await ada.open(f"/account/{team.id}")).status_code == 404
    await ada.server.runtime.transact(lambda unit: teams.change(unit, team.id, account_pages=True))
    assert "Send me a code" in (await ada.open(f"/account/{team.id}")).text
    assert (await ada.open(f"/account/{ada.server.team.id}")).url.path == "/account/security"


async def test_a_code_asked_for_at_one_team_is_none_at_another(ada: Visitor) -> None:
    code = await ada.ask()
    team, _, _ = await ada.server.new_team("Other")
    await ada.server.runtime.transact(lambda unit: teams.change(unit, team.id, account_pages=True))
    page = await ada.send(f"/account/{team.id}/code", code=code)
    assert page.url.path == f"/account/{team.id}"
    assert "Send me a code" in page.text


async def test_pages_switched_off_are_gone_at_once(ada: Visitor) -> None:
    await ada.sign_in()
    await set_team(ada.server, account_pages=False)
    assert not is_inside(await ada.open("/account/security"))
    assert (await ada.open(ada.home)).status_code == 404


async def test_without_a_team_the_front_door_says_what_to_do_next(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('empty') / 'gatepass.db'}"
    await migrate(url)
    async with serve(url) as server:
        page = await server.client.get("/account")
        assert page.status_code == 200
        assert "gatepass teams update TEAM_ID --account-pages" in page.text

        await set_team(server, account_pages=True, name="<i>Acme")
        page = await server.client.get("/account")
        assert (page.status_code, page.headers["location"]) == (303, f"/account/{server.team.id}")

        other, _, _ = await server.new_team("Beta")
        await server.runtime.transact(lambda unit: teams.change(unit, other.id, account_pages=True))
        page = await server.client.get("/account")
        assert page.status_code == 200
        assert "&lt;i&gt;Acme" in page.text
        for team in (server.team, other):
            assert f'href="/account/{team.id}"' in page.text


async def migrate(url: str) -> None:
    database = Database(url)
    await migrations.up(database)
    await database.dispose()


@pytest.mark.parametrize("path", ["/account/nobody", "/account/00000000-0000-4000-8000-000000000000", "/account/%00"])
async def test_no_such_page_is_a_page_too(paged: Server, path: str) -> None:
    page = await paged.client.get(path)
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"

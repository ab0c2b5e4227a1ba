"""My Account, as a person uses it: sign in by mail, show a QR code to a phone, look after the devices."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from browsing import PHONE, Browser

if not os.environ.get("GATEPASS_REQUIRE_BROWSER"):
    pytest.importorskip("zxingcpp", reason="pip install 'gatepass[browser]'")

HOSTILE = "<img src=x onerror=alert(1)>\u202e';--"
ADA = "ada@example.com"


class App:
    """The team's app on some phone, over the API."""

    def __init__(self, browser: Browser) -> None:
        self.facts = browser.server.facts
        self.client = httpx.Client(base_url=browser.server.url)

    def call(self, path: str, body: dict[str, Any], *, key: str = "production_publishable_key") -> httpx.Response:
        return self.client.post(f"/sdk/auth/v2{path}", json=body, headers={"x-api-key": self.facts[key]})

    def code(self, after: str = "") -> str:
        """The code in Ada's newest mail."""
        path = f"/_test/worlds/{self.facts['team_id']}/messages"
        mails = self.client.get(path, params={"to": ADA}, headers=self.admin).json()
        while not any(mail["code"] for mail in mails if mail["id"] > after):
            mail = self.client.get(f"{path}/wait", params={"to": ADA, "timeout": 10}, headers=self.admin)
            mails = [mail.json()]
        code: str = [mail["code"] for mail in mails if mail["code"]][-1]
        return code

    def set_team(self, **changes: Any) -> None:
        path = f"/admin/v1/teams/{self.facts['team_id']}"
        assert self.client.patch(path, json=changes, headers=self.admin).status_code == 200

    def sign_in(self, model: str) -> dict[str, Any]:
        """A phone that signs in by a code of its own."""
        asked = self.call("/signin/otp-login", {"email": ADA}, key="publishable_key").json()["data"]
        body = {"transactionId": asked["transactionId"], "code": asked["userCode"], "deviceModel": model}
        bundle: dict[str, Any] = self.call("/signin/otp-verify", body, key="publishable_key").json()["data"]
        return bundle

    def user_id(self) -> str:
        path = f"/admin/v1/teams/{self.facts['team_id']}/users"
        (user,) = self.client.get(path, params={"search": ADA}, headers=self.admin).json()["users"]
        found: str = user["id"]
        return found

    def refresh(self, bundle: dict[str, Any], *, key: str = "publishable_key") -> int:
        return self.call("/session/refresh", {"refreshToken": bundle["refreshToken"]}, key=key).status_code

    @property
    def admin(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.facts['admin_token']}"}


@pytest.fixture
def bare(browser: Browser) -> Iterator[App]:
    """The app of a team as it was made."""
    app = App(browser)
    with app.client:
        yield app


@pytest.fixture
def app(bare: App) -> App:
    """The app of a team with account pages, whose colour is hard to read on white."""
    bare.set_team(account_pages=True, name="Acme Games", colour="#ffb000")
    return bare


def sign_in(browser: Browser, app: App) -> None:
    page = browser.page
    page.goto("/account")
    page.get_by_label("E-mail address").fill(ADA)
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_role("heading", name="Enter the code").wait_for()
    page.get_by_label("Code of 6 digits").fill(app.code())
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Security").wait_for()


def scanned(browser: Browser) -> str:
    """What a camera reads from the screen."""
    import zxingcpp
    from PIL import Image

    picture = browser.page.locator(".qr-drawing").screenshot()
    (read,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)).convert("L"))
    text: str = read.text
    return text


def test_a_user_signs_in_with_the_code_from_the_mail(browser: Browser, app: App) -> None:
    page = browser.page
    page.goto("/account")
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.get_by_label("E-mail address").evaluate("field => field === document.activeElement")
    browser.look()
    browser.picture("account-sign-in", size=PHONE)
    page.keyboard.type(ADA)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Enter the code").wait_for()
    browser.look()
    code = app.code()
    page.keyboard.type(f"{(int(code) + 1) % 10**6:06d}")
    with browser.expecting(400):
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("That is not the code").wait_for()
    browser.look()
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Security").wait_for()
    page.get_by_text(ADA).wait_for()
    browser.look()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    page.goto("/account/security")
    page.get_by_role("heading", name="Sign in").wait_for()


def test_a_phone_scans_the_qr_code_and_the_page_says_so_by_itself(browser: Browser, app: App) -> None:
    sign_in(browser, app)
    page = browser.page
    page.get_by_role("button", name="Show a QR code", exact=True).click()
    page.get_by_text("Waiting for a device").wait_for()
    page.get_by_text("left", exact=False).first.wait_for()
    browser.look()
    browser.picture("account-qr")
    browser.picture("account-qr-phone", size=PHONE, dark=True)
    value = scanned(browser)
    assert value not in page.content()
    page.emulate_media(color_scheme="dark")
    assert scanned(browser) == value

    answer = app.call("/signin/qr-verify", {"qrValue": value, "deviceModel": HOSTILE})
    assert answer.status_code == 200
    page.get_by_text("Used").wait_for()
    page.get_by_text(HOSTILE.replace("\u202e", "")[:20]).wait_for()
    browser.look()
    assert app.call("/signin/qr-verify", {"qrValue": value}).status_code == 400

    page.get_by_role("button", name="Not my device").click()
    page.get_by_text("The device is signed out.").wait_for()
    assert app.refresh(answer.json()["data"], key="production_publishable_key") == 400
    page.get_by_role("link", name="Activity").click()
    page.get_by_text("Signed in by scanning a QR code").wait_for()
    page.get_by_text("Signed out from another device").wait_for()
    browser.look()


def test_a_page_that_is_signed_out_elsewhere_leaves_by_itself(browser: Browser, app: App) -> None:
    sign_in(browser, app)
    page = browser.page
    page.get_by_role("button", name="Show a QR code", exact=True).click()
    page.locator(".qr-drawing").wait_for()
    user_id = app.user_id()
    with browser.expecting(401):
        path = f"/admin/v1/teams/{app.facts['team_id']}/users/{user_id}/sessions"
        assert app.client.delete(path, headers=app.admin).status_code < 300
        page.get_by_role("heading", name="Sign in").wait_for()


def test_while_the_server_cannot_answer_the_code_stays_on_the_screen(browser: Browser, app: App) -> None:
    sign_in(browser, app)
    page = browser.page
    page.get_by_role("button", name="Show a QR code", exact=True).click()
    page.locator(".qr-drawing").wait_for()
    value = scanned(browser)
    with browser.expecting(503):
        page.route("**/account/security/qr/*", lambda route: route.fulfill(status=503, body="<p>One moment</p>"))
        for _ in range(2):
            page.wait_for_event("response", lambda answer: answer.status == 503)
        assert scanned(browser) == value
        page.unroute("**/account/security/qr/*")
        assert app.call("/signin/qr-verify", {"qrValue": value, "deviceModel": "Pixel 9"}).status_code == 200
        page.get_by_text("Pixel 9").wait_for()


def test_a_value_that_nobody_scanned_makes_way_for_a_fresh_one(browser: Browser, app: App) -> None:
    sign_in(browser, app)
    page = browser.page
    page.get_by_role("button", name="Show a QR code", exact=True).click()
    page.locator(".qr-drawing").wait_for()
    first = scanned(browser)
    clock = f"/_test/worlds/{app.facts['team_id']}/clock/advance"
    assert app.client.post(clock, json={"seconds": 121}, headers=app.admin).status_code == 200
    page.wait_for_function(
        "before => document.querySelector('.qr-drawing path:last-child')?.getAttribute('d') !== before",
        arg=page.locator(".qr-drawing path").last.get_attribute("d"),
    )
    page.get_by_text("Waiting for a device").wait_for()
    fresh = scanned(browser)
    assert fresh != first
    assert app.call("/signin/qr-verify", {"qrValue": first}).status_code == 400
    page.get_by_role("button", name="Cancel it").click()
    page.get_by_text("Cancelled").wait_for()
    browser.look()
    assert app.call("/signin/qr-verify", {"qrValue": fresh}).status_code == 400


def test_a_development_build_gets_a_value_of_its_own(browser: Browser, app: App) -> None:
    sign_in(browser, app)
    page = browser.page
    page.get_by_text("Signing in a development build").click()
    page.get_by_role("button", name="Show a QR code for it").click()
    page.get_by_text("For a development build").wait_for()
    value = scanned(browser)
    assert app.call("/signin/qr-verify", {"qrValue": value}).status_code == 400
    assert app.call("/signin/qr-verify", {"qrValue": value}, key="publishable_key").status_code == 200


def test_a_device_is_signed_out_and_its_refresh_refused(browser: Browser, app: App) -> None:
    tablet = app.sign_in("Galaxy Tab S9")
    sign_in(browser, app)
    page = browser.page
    page.get_by_role("link", name="Devices").click()
    page.get_by_role("heading", name="Galaxy Tab S9").wait_for()
    page.get_by_text("this browser").wait_for()
    browser.picture("account-devices")
    phone = app.sign_in(HOSTILE)
    page.reload()
    page.get_by_role("heading", name=HOSTILE[:28]).wait_for()
    assert page.locator("main img").count() == 0
    browser.look()
    assert app.refresh(tablet) == 200
    page.get_by_role("button", name="Sign out Galaxy Tab S9").click()
    page.get_by_text("The device is signed out.").wait_for()
    assert app.refresh(tablet) == 400
    page.get_by_role("heading", name="Galaxy Tab S9").wait_for(state="detached")

    page.get_by_role("button", name="Sign out all others").click()
    page.get_by_text("1 device signed out.").wait_for()
    assert app.refresh(phone) == 400
    page.get_by_role("button", name="Sign out everywhere").click()
    page.get_by_text("You are signed out on every device.").wait_for()
    page.goto("/account/devices")
    page.get_by_role("heading", name="Sign in").wait_for()


def test_a_name_and_a_language_are_chosen(browser: Browser, app: App) -> None:
    sign_in(browser, app)
    page = browser.page
    page.get_by_role("link", name="Profile").click()
    browser.look()
    page.get_by_label("Name", exact=True).fill(HOSTILE[:28])
    page.get_by_label("Language of mails").select_option("Deutsch")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_role("link", name="Security").click()
    page.get_by_text(HOSTILE[:28]).wait_for()
    assert page.locator("main img").count() == 0
    page.get_by_role("button", name="Sign out").click()
    page.goto("/account")
    page.get_by_label("E-mail address").fill(ADA)
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_role("heading", name="Enter the code").wait_for()


def test_without_scripts_the_qr_code_works_too(browser: Browser, app: App) -> None:
    assert browser.context.browser is not None
    plain = browser.context.browser.new_context(base_url=browser.server.url, java_script_enabled=False)
    browser.page.close()
    browser.page = plain.new_page()
    sign_in(browser, app)
    page = browser.page
    page.get_by_role("button", name="Show a QR code", exact=True).click()
    page.get_by_text("Waiting for a device").wait_for()
    value = scanned(browser)
    page.get_by_role("button", name="Was it used?").click()
    page.get_by_text("was not scanned yet").wait_for()
    assert app.call("/signin/qr-verify", {"qrValue": value, "deviceModel": "Pixel 9"}).status_code == 200
    page.get_by_role("button", name="Look again").click()
    page.get_by_text("Pixel 9").wait_for()
    plain.close()


def test_the_front_door_says_what_to_do_and_lets_choose(browser: Browser, bare: App) -> None:
    page = browser.page
    page.goto("/account")
    page.get_by_role("heading", name="No account pages yet").wait_for()
    browser.look()
    bare.set_team(account_pages=True)
    made = bare.client.post("/admin/v1/teams", json={"name": "<b>Beta"}, headers=bare.admin).json()
    bare.client.patch(f"/admin/v1/teams/{made['id']}", json={"account_pages": True}, headers=bare.admin)
    page.goto("/account")
    page.get_by_role("link", name="<b>Beta").wait_for()
    browser.look()
    page.get_by_role("link", name="<b>Beta").click()
    page.get_by_text("To your account for <b>Beta").wait_for()

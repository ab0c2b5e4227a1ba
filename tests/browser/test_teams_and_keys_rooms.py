"""Teams and their keys, worked at as an operator does: made, used from a real client, revoked with open eyes."""

from __future__ import annotations

import httpx

from browsing import PHONE, Browser
from harness import LOGIN, REFRESH, VERIFY


def make_team(console: Browser, name: str) -> None:
    page = console.page
    page.goto("/console/teams")
    page.get_by_role("link", name="New team").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the team").click()
    page.get_by_text(f"{name} is made").wait_for()


def make_key(console: Browser, kind: str) -> str:
    """On the page with the keys; the key as the clipboard has it."""
    page = console.page
    page.get_by_label("Which kind").select_option(kind)
    page.get_by_role("button", name="Make it").click()
    page.get_by_text("never shown again").wait_for()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("status").get_by_text("Copied").wait_for()
    key: str = page.evaluate("() => navigator.clipboard.readText()")
    assert key in page.content()
    return key


def test_a_team_is_made_and_its_key_signs_a_phone_in_until_it_is_revoked(console: Browser) -> None:
    page, url = console.page, console.server.url
    make_team(console, "Acme")
    console.look()
    key = make_key(console, "development")
    assert key.startswith("pub_")
    console.look()
    page.get_by_role("link", name="I have it").click()
    assert key not in page.content()

    with httpx.Client(base_url=url, headers={"x-api-key": key, "user-agent": "AcmeGame/2.1 (Ada's phone)"}) as phone:
        asked = phone.post(LOGIN, json={"email": "ada@example.com"}).json()["data"]
        proof = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
        session = phone.post(VERIFY, json=proof).json()["data"]
        refresh = {"refreshToken": session["refreshToken"]}
        assert phone.post(REFRESH, json=refresh).status_code == 200

        row = page.get_by_role("row").filter(has_text=key[:8])
        until_said(console, lambda: "never" not in row.inner_text())
        row.get_by_role("link", name="Revoke").click()
        page.get_by_text("AcmeGame/2.1").wait_for()
        page.get_by_text("1 open session in development").wait_for()
        assert "Ada's phone" not in page.content()
        console.look()
        console.picture("console-revoke", size=PHONE, dark=True)
        page.get_by_role("button", name="Revoke it for good").click()
        page.get_by_text("opens nothing any more").wait_for()
        assert phone.post(LOGIN, json={"email": "ada@example.com"}).status_code == 400
    console.look()
    console.picture("console-keys")


def until_said(console: Browser, true: object) -> None:
    """Reload until the page says so: uses of keys are written every few seconds."""
    assert callable(true)
    for _ in range(60):
        console.page.reload()
        if true():
            return
        console.page.wait_for_timeout(250)
    raise AssertionError(console.page.content())


def test_a_secret_key_opens_the_team_for_a_server(console: Browser) -> None:
    make_team(console, "Backend")
    headers = {"x-vital-api-key": make_key(console, "secret")}
    made = httpx.post(f"{console.server.url}/v2/user", json={"client_user_id": "member-1"}, headers=headers)
    assert made.status_code == 200
    console.page.get_by_role("link", name="Users", exact=True).click()
    console.page.get_by_role("cell", name="member-1").wait_for()


def test_a_key_from_another_system_is_taken_over_and_a_bad_one_is_refused(console: Browser) -> None:
    page = console.page
    make_team(console, "Shipped")
    page.get_by_text("Take over a key").click()
    page.get_by_label("The key").fill("too short")
    with console.expecting(422):
        page.get_by_role("button", name="Take it over").click()
        page.get_by_role("alert").get_by_text("16 to 4096").wait_for()
        console.look()
    page.get_by_text("Take over a key").click()
    page.get_by_label("The key").fill("the-key-inside-the-shipped-app")
    page.get_by_role("button", name="Take it over").click()
    page.get_by_text("works here now").wait_for()
    page.goto("/console/teams")
    console.look()
    page.get_by_role("link", name="Shipped").click()
    page.get_by_role("heading", name="Limits").wait_for()
    console.look()


def test_settings_are_saved_and_hold_at_once(console: Browser) -> None:
    page = console.page
    page.goto(f"/console/teams/{console.server.facts['team_id']}/settings")
    console.look()
    console.picture("console-settings")
    page.get_by_label("Digits of a code").fill("8")
    page.get_by_label("Account pages").check()
    page.get_by_label("Name").fill("Acme & <Söhne>")
    page.get_by_label("Colour").fill("#a0a")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The settings of Acme & <Söhne> are saved").wait_for()
    assert page.get_by_label("Colour").input_value() == "#aa00aa"
    assert page.get_by_label("Account pages").is_checked()
    headers = {"x-api-key": console.server.facts["publishable_key"]}
    asked = httpx.post(console.server.url + LOGIN, json={"email": "ada@example.com"}, headers=headers).json()["data"]
    assert len(asked["userCode"]) == 8

    page.get_by_label("Colour").fill("purple")
    with console.expecting(422):
        page.get_by_role("button", name="Save").click()
        page.get_by_role("alert").get_by_text("like #1a7f4b").wait_for()
    assert page.get_by_label("Name").input_value() == "Acme & <Söhne>"


def test_removing_a_team_asks_for_its_name(console: Browser) -> None:
    page = console.page
    make_team(console, "Doomed")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Remove Doomed").click()
    console.look()
    page.get_by_label("Write the team's name").fill("Another")
    with console.expecting(422):
        page.get_by_role("button", name="Remove it").click()
        page.get_by_role("alert").wait_for()
    page.get_by_label("Write the team's name").fill("Doomed")
    page.get_by_role("button", name="Remove it").click()
    page.get_by_text("Doomed is removed").wait_for()
    assert page.get_by_role("link", name="Doomed").count() == 0

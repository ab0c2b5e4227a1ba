"""Users and their sessions, as an operator meets them: looking for someone, ending a session, banning, undoing."""

from __future__ import annotations

from typing import Any

import httpx

from browsing import PHONE, Browser
from commands import Running
from harness import LOGIN, REFRESH, USERINFO, VERIFY


class Phone:
    """A phone that signs in at the server, with the key of `gatepass dev`."""

    def __init__(self, server: Running, email: str, model: str = "Pixel 9") -> None:
        self.server = server
        asked = self.post(LOGIN, {"email": email}).json()["data"]
        proof = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
        self.bundle: dict[str, Any] = self.post(VERIFY, {**proof, "deviceModel": model}).json()["data"]

    def post(self, path: str, body: dict[str, str]) -> httpx.Response:
        return httpx.post(
            self.server.url + path, json=body, headers={"x-api-key": self.server.facts["publishable_key"]}
        )

    def userinfo(self) -> int:
        headers = {"x-api-key": self.server.facts["publishable_key"], "authorization": f"Bearer {self.bundle['token']}"}
        return httpx.get(self.server.url + USERINFO, headers=headers).status_code

    def refresh(self, token: str | None = None) -> httpx.Response:
        return self.post(REFRESH, {"refreshToken": token or self.bundle["refreshToken"]})


def find(console: Browser, email: str) -> None:
    """Type into the search and open who is found."""
    page = console.page
    page.goto(f"/console/teams/{console.server.facts['team_id']}/users")
    page.get_by_label("Search").press_sequentially(email.partition("@")[0])
    page.get_by_text("1 user found").wait_for()
    page.get_by_role("link", name=email).click()
    page.get_by_role("heading", name=email).wait_for()


def test_a_session_appears_tells_its_story_and_is_ended(console: Browser) -> None:
    page, phone = console.page, Phone(console.server, "ada@example.com")
    other = Phone(console.server, "bob@example.com")
    assert phone.userinfo() == 200
    page.goto(f"/console/teams/{console.server.facts['team_id']}/users")
    console.look()
    console.picture("console-users")
    find(console, "ada@example.com")
    console.look()
    console.picture("console-user", size=PHONE)
    page.get_by_role("link", name="Pixel 9").click()
    page.get_by_text("The session is open").wait_for()
    console.look()
    page.get_by_role("button", name="End the session").click()
    page.get_by_text("The session is ended").wait_for()
    page.get_by_text("Not signed in anywhere").wait_for()

    assert phone.userinfo() == 400
    assert phone.refresh().status_code == 400
    assert other.refresh().status_code == 200
    page.get_by_text("1 earlier session").click()
    page.get_by_role("link", name="Pixel 9").click()
    page.get_by_text("administrator ended").first.wait_for()
    console.look()


def test_a_stolen_token_is_explained(console: Browser) -> None:
    page, phone = console.page, Phone(console.server, "eve@example.com", "Galaxy S26")
    first = phone.bundle["refreshToken"]
    token = first
    for _ in range(6):
        token = phone.refresh(token).json()["data"]["refreshToken"]
    assert phone.refresh(first).status_code == 400
    find(console, "eve@example.com")
    page.get_by_text("1 earlier session").click()
    page.get_by_role("link", name="Galaxy S26").click()
    page.get_by_text("closed as stolen").wait_for()
    console.look()
    console.picture("console-explain")


def test_banning_tells_the_user_why_and_lifting_lets_them_back(console: Browser) -> None:
    page, phone = console.page, Phone(console.server, "mallory@example.com")
    find(console, "mallory@example.com")
    page.get_by_label("Reason").fill("<b>spam</b> & more")
    page.get_by_role("button", name="Ban and sign out").click()
    page.get_by_text("is banned and signed out everywhere").wait_for()
    page.get_by_text("<b>spam</b> & more").wait_for()
    console.look()
    assert "<b>spam</b> & more" in phone.refresh().text
    page.get_by_role("button", name="Lift the ban").click()
    page.get_by_text("may sign in again").wait_for()
    assert Phone(console.server, "mallory@example.com").userinfo() == 200


def test_deleting_is_asked_twice_and_can_be_undone(console: Browser) -> None:
    page, phone = console.page, Phone(console.server, "gone@example.com")
    find(console, "gone@example.com")
    page.get_by_role("link", name="Delete …").click()
    page.get_by_text("1 open session would end").wait_for()
    console.look()
    page.get_by_role("button", name="Delete the account").click()
    page.get_by_text("For seven days that can be undone").wait_for()
    assert phone.userinfo() == 400
    console.look()
    page.goto(f"/console/teams/{console.server.facts['team_id']}/users?show=deleted")
    page.get_by_role("link", name="gone@example.com").click()
    page.get_by_role("button", name="Undo the deletion").click()
    page.get_by_text("is back").wait_for()
    page.get_by_text("active", exact=True).wait_for()


def test_signing_someone_out_everywhere(console: Browser) -> None:
    page = console.page
    phones = [Phone(console.server, "ada@example.com", model) for model in ("Pixel 9", "iPhone 18")]
    find(console, "ada@example.com")
    page.get_by_role("button", name="End all of them").click()
    page.get_by_text("Sessions ended: 2").wait_for()
    assert [phone.userinfo() for phone in phones] == [400, 400]


def test_names_that_strangers_chose_are_text_and_nothing_else(console: Browser) -> None:
    """A device may call itself anything, and so may a client that uses a key."""
    model = "<img src=x onerror=window.ran=1>'\"{{7*7}}</td><script>window.ran=1</script>"
    Phone(console.server, "ada@example.com", model)
    page = console.page
    find(console, "ada@example.com")
    page.get_by_role("link", name=model).click()
    page.get_by_role("heading", name=model).wait_for()
    assert page.evaluate("() => window.ran") is None
    assert page.get_by_role("img").count() == 0
    console.look()

"""Test mode through the console: worlds, their mails, clocks and faults, as somebody who tests an app uses them."""

from __future__ import annotations

import apps
import httpx
import pytest

from browsing import PHONE, Browser, expect
from harness import LOGIN


def team_path(console: Browser) -> str:
    return f"/console/teams/{console.server.facts['team_id']}"


def test_a_mail_arrives_by_itself_and_looks_as_it_would(console: Browser) -> None:
    page = console.page
    page.goto(f"{team_path(console)}/inbox")
    expect(page.get_by_text("No mail yet")).to_be_visible()
    console.look()
    code = apps.ask_for_code(console.server)["userCode"]
    expect(page.get_by_role("cell", name=code)).to_be_visible()
    console.look()

    page.get_by_role("rowheader").get_by_role("link").click()
    expect(page.frame_locator("iframe.mail").locator(".code")).to_contain_text(code)
    colour = page.frame_locator("iframe.mail").locator(".code").evaluate("it => getComputedStyle(it).fontSize")
    assert colour == "32px"
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("() => navigator.clipboard.readText()") == code
    page.get_by_text("As plain text").click()
    expect(page.get_by_role("region", name="The mail as plain text")).to_contain_text(code)
    console.look()
    console.picture("console-mail", size=PHONE)


def test_mails_to_one_address_are_picked_out(console: Browser) -> None:
    page = console.page
    for email in ("ada@example.com", "bob@example.com"):
        apps.ask_for_code(console.server, email)
    page.goto(f"{team_path(console)}/inbox")
    expect(page.get_by_role("rowheader")).to_have_count(2)
    page.get_by_label("To").fill("BOB@example.com")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("rowheader")).to_have_count(1)
    expect(page.get_by_role("cell", name="bob@example.com")).to_be_visible()


def test_a_mails_frame_runs_nothing_and_only_we_may_frame_it(console: Browser) -> None:
    apps.ask_for_code(console.server)
    page = console.page
    page.goto(f"{team_path(console)}/inbox")
    page.get_by_role("rowheader").get_by_role("link").click()
    answer = page.request.get(page.url + "/body")
    policy = answer.headers["content-security-policy"]
    assert {"default-src 'none'", "frame-ancestors 'self'", "sandbox"} <= set(policy.split("; "))
    assert "unsafe-inline" not in policy
    assert page.locator("iframe.mail").get_attribute("sandbox") == ""


def test_thirty_days_pass_and_a_sign_in_is_forgotten_by_nobody(console: Browser) -> None:
    page = console.page
    bundle = apps.sign_in(console.server)
    page.goto(f"{team_path(console)}/world")
    expect(page.get_by_text("as the server's", exact=True)).to_be_visible()
    console.look()
    for _ in range(7):
        page.get_by_role("button", name="+ 30 days").click()
        expect(page.get_by_role("status").first).to_contain_text("30 days have passed")
    expect(page.get_by_text("210 days ahead of the server")).to_be_visible()
    assert apps.refresh(console.server, bundle).status_code == 400

    page.get_by_label("Stand still at (UTC)").fill("2030-01-02T03:04")
    page.get_by_role("button", name="Stand still").click()
    expect(page.get_by_text("2030-01-02 03:04 UTC").first).to_be_visible()
    assert 1893553440000 < apps.sign_in(console.server)["tokenExpiry"] <= 1893553440000 + 3_600_000
    page.get_by_role("button", name="As the server's").click()
    expect(page.get_by_role("status").first).to_contain_text("runs as the server's does")


def test_a_clock_that_cannot_be_is_said_beside_the_form(console: Browser) -> None:
    page = console.page
    page.goto(f"{team_path(console)}/world")
    with console.expecting(422):
        page.get_by_label("Let time pass").fill("soon")
        page.get_by_role("button", name="Let it pass").click()
        expect(page.get_by_role("alert")).to_contain_text("whole number")
        page.get_by_label("Stand still at (UTC)").fill("2500-01-01T00:00")
        page.get_by_role("button", name="Stand still").click()
        expect(page.get_by_role("alert")).to_contain_text("years 2000 to 2199")
    console.look()


def test_an_answer_is_lost_on_order_and_the_call_is_seen_in_the_journal(console: Browser) -> None:
    page = console.page
    bundle = apps.sign_in(console.server)
    page.goto(f"{team_path(console)}/world")
    page.get_by_label("With which call").select_option("/sdk/auth/v2/session/refresh")
    page.get_by_role("button", name="Let it go wrong").click()
    expect(page.get_by_role("rowheader", name="Done, but the answer is lost")).to_be_visible()

    with pytest.raises(httpx.TransportError):
        apps.refresh(console.server, bundle)
    assert apps.refresh(console.server, bundle).status_code == 200
    expect(page.get_by_role("table", name="Calls, the latest first").get_by_text("commit then drop")).to_be_visible()
    page.reload()
    expect(page.get_by_role("table", name="What is to go wrong").get_by_role("cell").nth(1)).to_have_text("1")
    console.look()
    console.picture("console-world")

    page.get_by_label("What goes wrong").select_option("status")
    page.get_by_label("Status").fill("429")
    page.get_by_label("How often").fill("0")
    page.get_by_role("button", name="Let it go wrong").click()
    expect(page.get_by_role("cell", name="without end")).to_be_visible()
    assert (
        httpx.post(
            f"{console.server.url}{LOGIN}", headers={"x-api-key": console.server.facts["publishable_key"]}
        ).status_code
        == 429
    )
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("Nothing goes wrong.")).to_be_visible()
    assert apps.sign_in(console.server)


def test_a_world_is_made_switched_to_and_dropped(console: Browser) -> None:
    page = console.page
    page.get_by_role("link", name="Worlds", exact=True).click()
    console.look()
    page.get_by_label("Name").fill("<i>Second</i>")
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name="<i>Second</i>")).to_be_visible()
    key = page.locator("#development-key-value").inner_text()
    console.look()
    answer = httpx.post(f"{console.server.url}{LOGIN}", json={"email": "a@example.com"}, headers={"x-api-key": key})
    assert answer.status_code == 200
    page.get_by_role("button", name="To the world").click()
    expect(page.get_by_role("heading", name="World", exact=True)).to_be_visible()

    page.get_by_role("link", name="Other worlds").click()
    page.get_by_role("link", name="Inbox of <i>Second</i>").click()
    expect(page.get_by_role("cell", name="a@example.com")).to_be_visible()
    page.goto("/console/worlds")
    page.get_by_role("button", name="Drop <i>Second</i>").click()
    expect(page.get_by_role("status").first).to_contain_text("The world is gone")
    assert httpx.post(f"{console.server.url}{LOGIN}", json={}, headers={"x-api-key": key}).status_code == 400

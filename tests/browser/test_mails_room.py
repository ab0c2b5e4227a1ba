"""The mails of a team, looked at before any is sent."""

from __future__ import annotations

from browsing import Browser


def test_a_mail_is_shown_as_it_looks_in_every_language(console: Browser) -> None:
    page = console.page
    page.goto(f"/console/teams/{console.server.facts['team_id']}")
    page.get_by_role("link", name="Mails").click()
    frame = page.frame_locator("iframe.mail")
    frame.get_by_text("123456").wait_for()
    console.look()
    page.get_by_label("Language").select_option("de")
    page.get_by_role("button", name="Show it").click()
    page.get_by_role("heading", name="123456").wait_for()
    frame.get_by_text("123456").wait_for()
    assert frame.locator(".code").evaluate("one => getComputedStyle(one).fontSize") == "32px"
    console.picture("console-mails")
    page.get_by_label("Mail", exact=True).select_option("new-device")
    page.get_by_label("Language").select_option("ja")
    page.get_by_role("button", name="Show it").click()
    frame.get_by_text("Pixel 9").wait_for()
    page.get_by_text("As plain text").click()
    console.look()

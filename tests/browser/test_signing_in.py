"""An operator's first steps, as a person takes them."""

from __future__ import annotations

import re

from browsing import PHONE, Browser

WORDS = "correct horse battery"


def door(browser: Browser) -> str:
    found = re.search(r"http\S+/console/link/\w+", browser.server.out.read_text())
    assert found is not None
    return found[0]


def test_the_first_operator_comes_in_by_the_printed_link_once(browser: Browser) -> None:
    page = browser.page
    page.goto("/console")
    page.get_by_role("heading", name="Nobody can sign in yet").wait_for()
    browser.look()

    page.goto(door(browser))
    browser.look()
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill(WORDS)
    page.get_by_label("The same again").fill("something else")
    with browser.expecting(422):
        page.get_by_role("button", name="Set the password").click()
        page.get_by_role("alert").get_by_text("not the same").wait_for()
    browser.look()
    page.get_by_label("Password", exact=True).fill(WORDS)
    page.get_by_label("The same again").fill(WORDS)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Home").wait_for()
    browser.look()
    browser.picture("console-first-steps", size=PHONE)

    with browser.expecting(404):
        page.goto(door(browser))
        page.get_by_text("This link does not work").wait_for()
        browser.look()


def test_signing_out_and_in_again_by_keyboard(console: Browser) -> None:
    page = console.page
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    console.look()

    page.get_by_label("Name").focus()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong horse battery")
    with console.expecting(401):
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("did not match").wait_for()
    page.get_by_label("Password").fill(WORDS)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Home").wait_for()


def test_a_page_asked_for_before_signing_in_comes_right_after(console: Browser) -> None:
    page = console.page
    page.context.clear_cookies()
    page.goto("/console?of=interest")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(WORDS)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console?of=interest")


def test_without_scripts_everything_is_there_too(console: Browser) -> None:
    assert console.context.browser is not None
    plain = console.context.browser.new_context(base_url=console.server.url, java_script_enabled=False)
    page = plain.new_page()
    page.goto("/console")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(WORDS)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Home").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    plain.close()


def test_an_invited_operator_chooses_a_password_and_a_removed_one_is_out_at_once(console: Browser) -> None:
    page = console.page
    page.get_by_role("link", name="Operators").click()
    console.look()
    page.get_by_label("Name").fill("Bob")
    page.get_by_role("button", name="Make a one-time link").click()
    page.get_by_role("heading", name="A one-time link for bob").wait_for()
    console.look()
    link = page.locator(".copyable code").inner_text()
    assert console.context.browser is not None
    theirs = console.context.browser.new_context()
    bob = theirs.new_page()
    bob.goto(link)
    bob.get_by_role("heading", name="Welcome, bob").wait_for()
    console.look(bob)
    bob.get_by_label("Password", exact=True).fill("bob's own long phrase")
    bob.get_by_label("The same again").fill("bob's own long phrase")
    bob.keyboard.press("Enter")
    bob.get_by_role("heading", name="Home").wait_for()

    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Remove bob").click()
    console.look()
    page.get_by_role("button", name="Shut bob out").click()
    page.get_by_text("bob is shut out").wait_for()
    bob.reload()
    bob.get_by_role("heading", name="Sign in").wait_for()
    theirs.close()


def test_ones_own_access_is_in_ones_own_hands(console: Browser) -> None:
    page = console.page
    page.get_by_role("link", name="ada").click()
    page.get_by_text("this one").wait_for()
    console.look()
    page.get_by_label("Password now").fill("not the password")
    page.get_by_label("New password").fill("another long phrase")
    page.get_by_label("The same again").fill("another long phrase")
    with console.expecting(422):
        page.get_by_role("button", name="Change it").click()
        page.get_by_role("alert").get_by_text("not your password").wait_for()
    page.get_by_label("Password now").fill(WORDS)
    page.get_by_label("New password").fill("another long phrase")
    page.get_by_label("The same again").fill("another long phrase")
    page.get_by_role("button", name="Change it").click()
    page.get_by_text("The password is changed").wait_for()

"""The overview: what happened is plotted, told in numbers, and heard by who does not see it."""

from __future__ import annotations

import apps

from browsing import PHONE, Browser, expect


def test_sign_ins_and_refreshes_are_plotted_with_their_numbers(console: Browser) -> None:
    page = console.page
    bundle = apps.sign_in(console.server)
    apps.sign_in(console.server, "bob@example.com")
    for _ in range(3):
        bundle = apps.refresh(console.server, bundle).json()["data"]
    page.goto("/console")

    expect(page.get_by_role("img", name="Sign-ins by method")).to_be_visible()
    described = page.locator("#sign-ins-desc").inner_html()
    assert "E-mailed code 2, QR code 0" in described
    assert page.locator("#sign-ins rect.s1").count() == 1
    tiles = dict(
        zip(page.locator(".tiles dt").all_inner_texts(), page.locator(".tiles dd").all_inner_texts(), strict=True)
    )
    assert (tiles["Sign-ins"], tiles["Refreshes"], tiles["Reuse"].split()[0]) == ("2", "3", "0")
    assert tiles["Codes used"].startswith("100%")

    page.locator("#refreshes").get_by_text("Numbers").click()
    table = page.get_by_role("table", name="Refreshes")
    expect(table.get_by_role("row")).to_have_count(31)
    expect(table.get_by_role("row").nth(1).get_by_role("cell")).to_have_text("3")
    console.look()
    console.picture("console-home")
    console.picture("console-home-phone", size=PHONE, dark=True)


def test_the_numbers_of_one_team_and_of_another_span_are_asked_for(console: Browser) -> None:
    page = console.page
    apps.sign_in(console.server)
    apps.admin(console.server, "POST", "/teams", {"name": "Elsewhere <b>"})
    page.goto("/console")
    page.get_by_label("Team", exact=True).select_option(label="Elsewhere <b>")
    page.get_by_label("Time", exact=True).select_option(label="7 days")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".tiles dd").first).to_have_text("0")
    expect(page.get_by_label("Team", exact=True)).to_have_value(page.url.partition("team=")[2].partition("&")[0])
    assert page.locator("#sign-ins .slot").count() == 7
    console.look()
    for wrong, status in (("days=8", 422), ("team=x", 422), (f"team={'0' * 8}-0000-4000-8000-{'0' * 12}", 404)):
        with console.expecting(status):
            page.goto(f"/console?{wrong}")


def test_the_health_of_its_parts_is_told(console: Browser) -> None:
    page = console.page
    page.goto("/console")
    health = page.get_by_role("region", name="Health")
    expect(health.get_by_text("SQLite, schema up to date")).to_be_visible()
    expect(health.get_by_text("signing", exact=True)).to_be_visible()
    expect(health.get_by_text("0 mails waiting")).to_be_visible()

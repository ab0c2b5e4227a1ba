"""Looking something up in the audit log, and taking it along as CSV."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import apps

from browsing import PHONE, Browser, expect


def test_events_are_filtered_by_name_user_and_day(console: Browser) -> None:
    page = console.page
    apps.sign_in(console.server)
    apps.sign_in(console.server, "bob@example.com")
    page.get_by_role("link", name="Audit log", exact=True).click()
    expect(page.get_by_role("rowheader", name="Session opened")).to_have_count(2)
    console.look()
    console.picture("console-audit")
    console.picture("console-audit-phone", size=PHONE)

    page.get_by_label("Event").select_option(label="User created")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("rowheader")).to_have_text(["User created"] * 2)
    page.get_by_role("cell").get_by_role("link", name="user").first.click()
    expect(page.get_by_role("rowheader")).to_have_text(["Session opened", "User created"])

    page.get_by_role("cell").get_by_role("link", name="session").first.click()
    page.get_by_role("link", name="This session, explained").click()
    expect(page.get_by_text("The session is open")).to_be_visible()
    page.go_back()
    page.go_back()
    page.get_by_role("link", name="This user and their sessions").click()
    expect(page.get_by_role("heading", name="bob@example.com")).to_be_visible()
    page.go_back()

    page.get_by_label("To").fill("2020-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Nothing is written down that fits.")).to_be_visible()
    console.look()


def test_a_filter_that_cannot_be_read_is_said_beside_the_form(console: Browser) -> None:
    page = console.page
    page.goto("/console/audit")
    page.get_by_label("User").fill("ada")
    with console.expecting(422):
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("alert")).to_contain_text("is no id")
    expect(page.get_by_label("User")).to_have_value("ada")
    expect(page.get_by_label("User")).to_have_attribute("aria-invalid", "true")
    console.look()
    for wrong in ("event=x", "from=yesterday", "before=x", "to=%00", "team=%22%3E%3Cscript%3E"):
        with console.expecting(422):
            page.goto(f"/console/audit?{wrong}")


def test_older_events_are_a_page_away(console: Browser) -> None:
    page = console.page
    for number in range(26):
        apps.sign_in(console.server, f"user-{number}@example.com")
    page.goto(f"/console/audit?team={console.server.facts['team_id']}")
    seen = page.get_by_role("rowheader").count()
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_role("button", name="Older")).to_have_count(0)
    everything = apps.admin(console.server, "GET", f"/events?limit=500&team_id={console.server.facts['team_id']}")
    assert seen + page.get_by_role("rowheader").count() == len(everything["events"])
    page.get_by_role("button", name="Newest").click()
    expect(page.get_by_role("rowheader")).to_have_count(50)


def test_what_is_shown_is_downloaded(console: Browser, tmp_path: Path) -> None:
    page = console.page
    apps.sign_in(console.server)
    page.goto("/console/audit?event=session_opened")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="CSV").click()
    file = tmp_path / "audit.csv"
    downloading.value.save_as(file)
    assert downloading.value.suggested_filename == "gatepass-audit.csv"
    (row,) = csv.DictReader(file.read_text().splitlines())
    assert (row["event"], row["team_id"]) == ("session_opened", console.server.facts["team_id"])


def test_names_that_people_chose_are_only_text(console: Browser) -> None:
    page = console.page
    hostile = "<img src=x onerror=alert(1)>=1+1"
    team: dict[str, Any] = apps.admin(console.server, "POST", "/teams", {"name": hostile})
    page.goto("/console/audit")
    expect(page.get_by_role("link", name=hostile)).to_be_visible()
    expect(page.get_by_role("row").nth(1)).to_contain_text("Team created")
    assert page.locator("img").count() == 0
    page.goto(f"/console/audit?team={team['id']}")
    console.look()

"""The snippets work: what the page shows is run, as somebody who copies it would."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import apps
import pytest

from browsing import Browser, expect


def team_path(console: Browser) -> str:
    return f"/console/teams/{console.server.facts['team_id']}"


def make_a_key(console: Browser) -> None:
    console.page.goto(f"{team_path(console)}/try")
    console.page.get_by_role("button", name="Make a key and put it in").click()
    expect(console.page.get_by_text("It is shown this once")).to_be_visible()


def copied(console: Browser, label: str) -> str:
    """What the copy button of a language puts on the clipboard."""
    page = console.page
    snippet = page.locator("details.snippet", has=page.locator("summary", has_text=re.compile(f"^{label}$")))
    if snippet.get_attribute("open") is None:
        snippet.locator("summary").click()
    snippet.get_by_role("button", name=f"Copy {label}").click()
    expect(snippet.get_by_role("status")).to_have_text("Copied")
    text: str = page.evaluate("() => navigator.clipboard.readText()")
    return text


def test_what_curl_is_told_signs_in_and_refreshes(console: Browser, tmp_path: Path) -> None:
    make_a_key(console)
    console.look()
    console.picture("console-try-it")
    script = copied(console, "curl")
    ran = subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count('"success":true') == 3
    opened = apps.admin(console.server, "GET", "/events?event=session_opened")["events"]
    assert [event["detail"]["proof"] for event in opened] == ["otp"]


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node: apt-get install nodejs")
def test_what_typescript_is_told_signs_in_and_refreshes(console: Browser, tmp_path: Path) -> None:
    make_a_key(console)
    (tmp_path / "try-it.mjs").write_text(copied(console, "TypeScript"))
    ran = subprocess.run(["node", "try-it.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert "signed in as" in ran.stdout
    assert "refreshed: true" in ran.stdout


def test_a_key_that_is_pasted_stands_in_every_language(console: Browser) -> None:
    page = console.page
    key = console.server.facts["publishable_key"]
    page.goto(f"{team_path(console)}/try")
    assert "YOUR_PUBLISHABLE_KEY" in page.locator("#curl").inner_text()
    console.look()
    page.get_by_label("A publishable key of this team").fill(key)
    page.get_by_role("button", name="Put it in", exact=True).click()
    expect(page.get_by_text("Your development key stands in the code")).to_be_visible()
    for language in ("curl", "swift", "kotlin", "typescript", "dart", "csharp"):
        code = page.locator(f"#{language}").text_content() or ""
        assert key in code
        assert console.server.url in code
    assert key not in page.url


def test_what_is_no_key_of_this_team_is_refused(console: Browser) -> None:
    page = console.page
    other = apps.admin(console.server, "POST", "/teams", {"name": "Other"})["id"]
    wanted = {"kind": "publishable", "environment": "development"}
    foreign = apps.admin(console.server, "POST", f"/teams/{other}/keys", wanted)["key"]
    page.goto(f"{team_path(console)}/try")
    for wrong in (foreign, console.server.facts["secret_key"], "pub_'; DROP TABLE keys; --"):
        with console.expecting(422):
            page.get_by_label("A publishable key of this team").fill(wrong)
            page.get_by_role("button", name="Put it in", exact=True).click()
            expect(page.get_by_role("alert")).to_be_visible()
        assert wrong not in page.content()

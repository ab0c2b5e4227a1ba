"""A real Chromium on a real server. Whatever a page does that it should not do fails the test.

The browser is the system's: Playwright brings the driver (extra `browser`), Debian the browser. Without one of them
these tests skip and say what to install, or fail where GATEPASS_REQUIRE_BROWSER is set, as in CI.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import commands
from browsing import Browser
from commands import Running

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

_HOW = "pip install 'gatepass[browser]' and apt-get install chromium"
_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="DIR", help="where the browser tests put the pictures of the docs")


def _missing(what: str) -> None:
    if os.environ.get("GATEPASS_REQUIRE_BROWSER"):
        pytest.fail(f"no {what}: {_HOW}")
    pytest.skip(f"no {what}: {_HOW}")


@pytest.fixture
def chromium() -> Iterator[Chromium]:
    """The system's Chromium, without a window.

    One per test: while Playwright is at work, its event loop is the thread's, and other tests want theirs.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("Playwright")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        _missing("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_SWITCHES))
        yield browser
        browser.close()


@pytest.fixture
def dev(tmp_path: Path, chromium: Chromium) -> Iterator[Running]:
    """`gatepass dev` with nothing in its data, its welcome printed."""
    with commands.dev(tmp_path, "--memory") as server:
        commands.until(lambda: "Ctrl-C" in server.out.read_text(), server)
        yield server


@pytest.fixture
def browser(request: pytest.FixtureRequest, chromium: Chromium, dev: Running) -> Iterator[Browser]:
    """A fresh browser on that server. In the end the test fails for whatever went wrong on a page."""
    context = chromium.new_context(base_url=dev.url, viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=dev.url)
    context.set_default_timeout(15_000)
    pictures = request.config.getoption("--screenshots")
    opened = Browser(context, dev, Path(pictures) if pictures else None)
    yield opened
    context.close()
    assert opened.faults == []


@pytest.fixture
def console(browser: Browser) -> Browser:
    """The same, signed in as the first operator by the link that the server printed."""
    found = re.search(r"http\S+/console/link/\w+", browser.server.out.read_text())
    assert found is not None
    page = browser.page
    page.goto(found[0])
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_label("The same again").fill("correct horse battery")
    page.get_by_role("button", name="Set the password and sign in").click()
    page.get_by_role("heading", name="Home").wait_for()
    return browser

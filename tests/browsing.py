"""What browser tests hold in their hands: a page that is watched, looked at by axe, and photographed when asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from commands import Running

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Request, Response

expect: Any = import_module("playwright.sync_api").expect if find_spec("playwright") else None
"""Playwright's. Where it is not installed nobody gets as far as to ask for it: the fixtures skip."""
_AXE = Path(__file__).parent / "browser" / "axe" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_STICKS_OUT = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}


class Browser:
    """One browser context on one server. *faults* is what its pages did wrong so far."""

    def __init__(self, context: BrowserContext, server: Running, pictures: Path | None) -> None:
        self.context, self.server, self.pictures = context, server, pictures
        self.faults: list[str] = []
        self._host = urlsplit(server.url).netloc
        self._expected: set[int] = set()
        context.on("page", self._watch)
        self.page = context.new_page()

    def _watch(self, page: Page) -> None:
        page.on("console", lambda said: self._note(said.type in ("error", "warning"), f"console: {said.text}"))
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("request", self._asked)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _note(self, wrong: bool, what: str) -> None:
        expected = any(f"status of {status}" in what for status in self._expected)
        if wrong and not expected:
            self.faults.append(what)

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        self._note(parts.scheme != "data" and parts.netloc != self._host, f"asked elsewhere: {request.url}")

    def _failed(self, request: Request) -> None:
        self._note(request.failure != "net::ERR_ABORTED", f"failed: {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        wrong = response.status >= 400 and response.status not in self._expected
        self._note(wrong, f"{response.status}: {response.request.method} {response.url}")

    @contextmanager
    def expecting(self, *statuses: int) -> Iterator[None]:
        """Within the block these refusals are what the test is about, and no fault."""
        self._expected |= set(statuses)
        yield
        self.page.wait_for_load_state("networkidle")
        self._expected -= set(statuses)

    def look(self, page: Page | None = None) -> None:
        """See that everyone can use the page as it stands, in light and in dark, on a desktop and on a phone.

        axe-core judges it, and nothing may stick out to the side.
        """
        page = page or self.page
        for scheme in ("light", "dark"):
            for size in (DESKTOP, PHONE):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
                page.set_viewport_size(size)  # type: ignore[arg-type]
                self.faults += [
                    f"{page.url} in {scheme}, {size['width']} wide: {found}" for found in self._judged(page)
                ]
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]

    def _judged(self, page: Page) -> list[str]:
        page.evaluate(f"() => {{ if (!window.axe) {{ {_AXE.read_text()} }} }}")
        found: list[str] = page.evaluate(
            "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})"
            ".then(result => result.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' | ')))",
            _RULES,
        )
        wider = page.evaluate(_STICKS_OUT)
        return [*found, f"sticks out by {wider} px"] if wider > 0 else found

    def picture(
        self, name: str, page: Page | None = None, *, size: dict[str, int] = DESKTOP, dark: bool = False
    ) -> None:
        """Photograph the page for the docs, when asked to with `--screenshots`."""
        if self.pictures is None:
            return
        page = page or self.page
        page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        page.set_viewport_size(size)  # type: ignore[arg-type]
        self.pictures.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=self.pictures / f"{name}.png")
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]

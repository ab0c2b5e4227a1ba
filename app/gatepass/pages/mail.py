"""A mail as its reader would see it: a document of its own, to be shown in a sandboxed frame of a page.

A mail brings its styles inside it. They are let through by their digests, one for each that the document has, so that
nothing that was not there when we looked can have any effect; scripts, pictures and links out are dead.
"""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser

from fastapi import Response


class _Styles(HTMLParser):
    """Collects what a document says in style attributes and style elements."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "style"
        self.found |= {value: None for name, value in attrs if name == "style" and value}

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[data] = None


def framed(html: str) -> Response:
    """*html* as an answer that only a page of ours may frame, and that can do nothing but look like itself."""
    styles = _Styles()
    styles.feed(html)
    digests = " ".join(f"'sha256-{_digest(style)}'" for style in styles.found)
    policy = (
        "default-src 'none'",
        f"style-src 'unsafe-hashes' {digests}" if digests else "style-src 'none'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
        "sandbox",
    )
    headers = {
        "cache-control": "no-store",
        "content-security-policy": "; ".join(policy),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
    }
    return Response(html, headers=headers, media_type="text/html; charset=utf-8")


def _digest(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

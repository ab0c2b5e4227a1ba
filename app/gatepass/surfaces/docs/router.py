"""`/docs`, drawn once from the OpenAPI document, and a front door. No script, and nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from gatepass.surfaces.docs.page import Reader, variable

router = APIRouter(include_in_schema=False)

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "style.css").read_text()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_pages = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _marked(text: str) -> Markup:
    """*text* escaped, its `names` set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just now


_pages.filters["marked"] = _marked


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page and the tag that names its bytes (RFC 9110 section 8.8.3)."""

    content: bytes
    etag: str

    @classmethod
    def of(cls, template: str, **given: Any) -> Page:
        content = _pages.get_template(template).render(style=Markup(_STYLE), **given).encode()  # noqa: S704 - ours
        return cls(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')

    def answer(self, request: Request) -> Response:
        """The page, or 304 to whoever has it."""
        headers = {**_HEADERS, "etag": self.etag}
        seen = request.headers.get("if-none-match", "")
        if seen.strip() == "*" or self.etag in (tag.strip().removeprefix("W/") for tag in seen.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type="text/html; charset=utf-8")


@router.get("/")
async def home(request: Request) -> Response:
    """Where to go from here."""
    return (await _page(request.app, "home.html")).answer(request)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Every call there is."""
    return (await _page(request.app, "docs.html")).answer(request)


_rendered: WeakKeyDictionary[FastAPI, dict[str, Page]] = WeakKeyDictionary()


async def _page(app: FastAPI, template: str) -> Page:
    """The page, rendered on first sight, beside the event loop, and kept with the application."""
    kept = _rendered.setdefault(app, {})
    if template not in kept:
        kept[template] = await run_in_threadpool(_render, app, template)
    return kept[template]


def _render(app: FastAPI, template: str) -> Page:
    document = app.openapi()
    return Page.of(
        template,
        info=document["info"],
        server=document["servers"][0]["url"],
        schemes=document["components"]["securitySchemes"],
        groups=Reader(document).groups(),
        variable=variable,
    )

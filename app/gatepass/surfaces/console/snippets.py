"""The "try it" snippets: a sign-in by e-mailed code and a refresh, in the languages that apps are written in.

They are templates of their own (`snippets/`), so that each reads as what it is. A key goes in only if nothing in it means
anything in any of these languages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

PLACEHOLDER = "YOUR_PUBLISHABLE_KEY"
_HARMLESS = re.compile(r"[A-Za-z0-9_.~-]{16,4096}")
_LANGUAGES = (
    ("curl", "curl", "curl.sh"),
    ("swift", "Swift", "swift.swift"),
    ("kotlin", "Kotlin", "kotlin.kt"),
    ("typescript", "TypeScript", "typescript.ts"),
    ("dart", "Dart", "dart.dart"),
    ("csharp", "C#", "csharp.cs"),
)
# Not autoescaped: what it makes is code, and is escaped by the page that shows it.
_ENVIRONMENT = Environment(
    loader=PackageLoader("gatepass.surfaces.console", "snippets"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701
    variable_start_string="<<",
    variable_end_string=">>",
    block_start_string="<%",
    block_end_string="%>",
    comment_start_string="<#",
    comment_end_string="#>",
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One language's."""

    name: str
    label: str
    code: str


def is_harmless(key: str) -> bool:
    """Whether *key* is the same text inside a string of every language."""
    return _HARMLESS.fullmatch(key) is not None


def snippets_for(url: str, key: str | None) -> list[Snippet]:
    """All of them, for a server at *url*; a *key* that is not harmless is left for the reader to put in."""
    shown = key if key is not None and is_harmless(key) else PLACEHOLDER
    return [
        Snippet(name, label, _ENVIRONMENT.get_template(file).render(url=url, key=shown))
        for name, label, file in _LANGUAGES
    ]

"""One call as test mode sees it, and the routes it could have meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from gatepass.traffic.parties import NOBODY, Party

CONTROL_PLANE = "/_test/"
_VALUE = re.compile(r"\{[^/]*\}|(?=[^/]*[0-9])[^/]{16,}")
"""A path's segment that is a parameter, or looks like what one would hold."""
_NEAR = 3


@dataclass(frozen=True, slots=True)
class Call:
    """One request. *route* is the template that it matches, None where no route does."""

    method: str
    path: str
    route: str | None
    party: Party = NOBODY

    def is_to(self, pattern: str) -> bool:
        """Whether the call's path is *pattern*: a route's template, or a glob in which `*` spans segments too."""
        return pattern == self.route or fnmatchcase(self.path, pattern)


@dataclass(frozen=True, slots=True)
class Route:
    """One path of the server and its methods."""

    template: str
    methods: frozenset[str]
    regex: re.Pattern[str]


class Routes:
    """Every route of *app*, the control plane's own left out. Read at first sight: it is assembled by then."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._known: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        if not self._known:
            self._known = [
                Route(route.path, frozenset(route.methods or ()), route.path_regex)
                for route in iter_route_contexts(self._app.router.routes)
                if route.path is not None and not route.path.startswith(CONTROL_PLANE)
            ]
        return iter(self._known)

    def find(self, method: str, path: str) -> tuple[str | None, dict[str, str]]:
        """The template that serves such a call, and the path's parameters."""
        for route in self:
            if method in route.methods and (found := route.regex.match(path)):
                return route.template, found.groupdict()
        return None, {}

    def has(self, pattern: str) -> bool:
        """Whether any call could be to *pattern*, as `Call.is_to` reads it."""
        return any(
            pattern == route.template or fnmatchcase(route.template, pattern) or route.regex.match(pattern)
            for route in self
        )

    def near(self, method: str, path: str) -> list[str]:
        """The routes that *path* may be a slip of, such as `POST /v1/token`: nearest first by edit distance."""
        shown = shape_of(path)
        ranked = sorted(
            (_distance(shown, shape_of(route.template)) + (method != wanted), route.template, wanted)
            for route in self
            for wanted in route.methods - {"HEAD"}
        )
        return [f"{wanted} {template}" for far, template, wanted in ranked[:_NEAR] if far <= len(shown) / 2]


def shape_of(path: str) -> str:
    """*path* with every segment that is, or looks like, a value as `{}`: it may hold a one-time key."""
    return "/".join("{}" if _VALUE.fullmatch(segment) else segment for segment in path.split("/"))


@lru_cache(maxsize=4096)
def _distance(one: str, other: str) -> int:
    """Insertions, deletions and substitutions from *one* to *other* (Levenshtein)."""
    row = list(range(len(other) + 1))
    for left, character in enumerate(one, 1):
        diagonal, row[0] = row[0], left
        for right, opposite in enumerate(other, 1):
            diagonal, row[right] = (
                row[right],
                min(diagonal + (character != opposite), row[right] + 1, row[right - 1] + 1),
            )
    return row[-1]

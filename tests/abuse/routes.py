"""Every call of the OpenAPI document as something to be made: a new route is abused as the old ones are, by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from gatepass.main import create_app
from harness import settings

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Route:
    """One call: what names things in it, and which credentials open it, each way a set of schemes."""

    method: str
    path: str
    ways: tuple[frozenset[str], ...]
    in_path: tuple[str, ...]
    in_query: tuple[str, ...]
    in_body: tuple[str, ...]
    required: frozenset[str]
    media: str | None
    statuses: frozenset[int]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names(self) -> tuple[str, ...]:
        """Whatever its caller fills in."""
        return tuple(dict.fromkeys((*self.in_path, *self.in_query, *self.in_body)))

    def target(self, values: dict[str, str]) -> str:
        """The path with *values* in it, percent-encoded."""
        return re.sub(r"\{(\w+)\}", lambda name: quote(values[name[1]], safe=""), self.path)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of a server in production."""
    return create_app(settings("sqlite:///of-no-use.db"), worker=False).openapi()


@cache
def routes() -> tuple[Route, ...]:
    """Every call that is announced."""
    return tuple(
        _read(method.upper(), path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    )


def headers_of(scheme: str, credential: str) -> dict[str, str]:
    """The header that carries a *credential* of that security scheme."""
    told = document()["components"]["securitySchemes"][scheme]
    if told["type"] == "apiKey":
        return {told["name"].lower(): credential}
    return {"authorization": f"Bearer {credential}"}


def _read(method: str, path: str, operation: dict[str, Any]) -> Route:
    parameters = operation.get("parameters", [])
    ((media, content),) = operation.get("requestBody", {"content": {None: {}}})["content"].items()
    schema = _resolved(content.get("schema", {}))
    return Route(
        method,
        path,
        tuple(frozenset(way) for way in operation.get("security", [])),
        tuple(one["name"] for one in parameters if one["in"] == "path"),
        tuple(one["name"] for one in parameters if one["in"] == "query"),
        tuple(schema.get("properties", {})),
        frozenset(schema.get("required", ())),
        media,
        frozenset(int(status) for status in operation["responses"]),
    )


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema

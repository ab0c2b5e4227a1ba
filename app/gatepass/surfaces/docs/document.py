"""What FastAPI's OpenAPI document lacks: credentials, named bodies, and the truth about refused parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_REF = "#/components/schemas/{model}"
_FRAMEWORK = ("HTTPValidationError", "ValidationError")
"""FastAPI announces these for every route with a parameter; no surface ever sends them."""


def operation_id(route: APIRoute) -> str:
    """The surface's folder and the function's name: `admin_create_team`. Generated clients call it so."""
    surface = route.endpoint.__module__.split(".")[2]
    return route.name if route.name.startswith(surface) else f"{surface}_{route.name}"


def complete(
    document: dict[str, Any], *, server: str, schemes: dict[str, Any], schemas: Iterable[type[BaseModel]]
) -> dict[str, Any]:
    """*document* with its server, its credentials and the *schemas* that routes refer to by name."""
    document["servers"] = [{"url": server}]
    components = document.setdefault("components", {})
    components["securitySchemes"] = schemes
    known = components.setdefault("schemas", {})
    _, named = models_json_schema([(model, "validation") for model in schemas], ref_template=_REF)
    known.update(named.get("$defs", {}))
    for operation in operations(document):
        invalid = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
        if invalid.get("schema", {}).get("$ref", "").endswith(_FRAMEWORK[0]):
            del operation["responses"]["422"]
    for name in _FRAMEWORK:
        known.pop(name, None)
    components["schemas"] = dict(sorted(known.items()))
    return document


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every operation of the document, in its order."""
    return [operation for methods in document["paths"].values() for operation in methods.values()]

"""What each route of the admin API says about itself in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.surfaces.admin import wire
from gatepass.surfaces.admin.refusals import problem_of
from gatepass.wiring import Fault, PayloadTooLarge

SECURITY_SCHEMES = {
    "AdminToken": {"type": "http", "scheme": "bearer", "description": "The value of `GATEPASS_ADMIN_TOKEN`."}
}

_BODIES = (wire.CreateTeam, wire.ChangeTeam, wire.CreateKey, wire.ImportKey, wire.CreateUser, wire.Profile, wire.Ban)
SCHEMAS: tuple[type[BaseModel], ...] = (*_BODIES, wire.Problem)
"""The models that the document refers to by name, besides those that FastAPI finds by itself."""

_EVERYWHERE: tuple[Refusal, ...] = (
    errors.AccessTokenInvalid(),
    errors.Forbidden(),
    Fault(),
    errors.Unavailable(),
)


def documented(
    answer: type[wire.Answer], *refusals: Refusal, body: type[wire.Body] | None = None, status: int = 200
) -> dict[str, Any]:
    """Arguments for a route: its answer, its body, and what it may refuse besides what every route does."""
    extra: dict[str, Any] = {"security": [{"AdminToken": []}]}
    if body is not None:
        refusals = (PayloadTooLarge(), *refusals)
        schema = {"$ref": f"#/components/schemas/{body.__name__}"}
        required = any(field.is_required() for field in body.model_fields.values())
        extra["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    if refusals:
        field, why = ("name", "is refused: field required") if body else ("team_id", "is not acceptable")
        refusals = (errors.InputRefused(field, why), *refusals)
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in sorted(map(problem_of, (*_EVERYWHERE, *refusals)), key=lambda problem: problem.status):
        responses[problem.status] = {
            "description": problem.title,
            "content": {
                wire.MEDIA_TYPE_PROBLEM: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": problem.model_dump(mode="json"),
                }
            },
        }
    return {
        "response_model": answer,
        "response_description": answer.__doc__,
        "status_code": status,
        "responses": responses,
        "openapi_extra": extra,
    }

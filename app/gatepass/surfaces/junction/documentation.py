"""What each route of this dialect says about itself in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic import BaseModel

from gatepass import grants
from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.surfaces.junction import answers, wire
from gatepass.surfaces.junction.refusals import ManagementKeyRefused, spelling
from gatepass.wiring import Fault, PayloadTooLarge

SECURITY_SCHEMES = {
    "TeamKey": {"type": "apiKey", "in": "header", "name": "x-vital-api-key", "description": "A secret key of a team."},
    "TeamToken": {"type": "http", "scheme": "bearer", "description": "A team access token, good for ten minutes."},
    "UserToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From `/v1/token`."},
    "ManagementKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-management-key",
        "description": "The value of `GATEPASS_ADMIN_TOKEN`.",
    },
}
SCHEMAS: tuple[type[BaseModel], ...] = (wire.NewUser, wire.PatchUser, wire.LinkManual, wire.CreateTeamKey)
"""The models that the document refers to by name, besides those that FastAPI finds by itself."""

_EVERYWHERE: tuple[type[Refusal], ...] = (
    errors.InputRefused,
    errors.NotFound,
    PayloadTooLarge,
    Fault,
    errors.Unavailable,
)
_PROBLEM = wire.problem("missing", "Field required", "body", "client_user_id")
_TERMINAL = '"detail": {"error_type": "invalid_token" | "reauthentication_required"}'


def documented(
    answer: type[BaseModel] | None,
    *refusals: type[Refusal],
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    own: bool = False,
    management: bool = False,
    status: int = 200,
) -> dict[str, Any]:
    """Arguments for a route: its answer (None: no body), its body and query, the refusals it may give besides those
    given everywhere, and whose credential opens it: a team's, with *own* the user's too, or the *management* key.
    """
    ways = ["ManagementKey"] if management else ["TeamKey", "TeamToken", *(["UserToken"] if own else [])]
    usual = (ManagementKeyRefused,) if management else (errors.ApiKeyRefused, errors.Forbidden)
    details: dict[int, dict[str, Any]] = {}
    for refusal in (*_EVERYWHERE, *usual, *refusals):
        code, text = spelling(refusal)
        details.setdefault(code, {})[text or "what is wrong with which member"] = text or [_PROBLEM]
    responses: dict[int | str, dict[str, Any]] = {}
    for code, texts in sorted(details.items()):
        examples = {text: {"value": {"detail": detail}} for text, detail in texts.items()}
        responses[code] = {"description": "; ".join(texts), "content": {"application/json": {"examples": examples}}}
    responses[status] = {"description": (answer.__doc__ if answer else None) or "Done."}
    if answer is not None:
        responses[status]["model"] = answer
    extra: dict[str, Any] = {"security": [{way: []} for way in ways]}
    if body is not None:
        extra["requestBody"] = {
            "required": any(field.is_required() for field in body.model_fields.values()),
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}},
        }
    if query is not None:
        schema = query.model_json_schema()
        extra["parameters"] = [
            {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": member}
            for name, member in schema["properties"].items()
        ]
    return {"response_class": Response, "status_code": status, "responses": responses, "openapi_extra": extra}


def documented_form(answer: type[BaseModel], **fields: bool) -> dict[str, Any]:
    """Arguments for a route that takes a form with *fields*, True for those always required, and no credential."""
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in fields},
        "required": [name for name, required in fields.items() if required],
    }
    responses: dict[int | str, dict[str, Any]] = {
        200: {"model": answer, "description": answer.__doc__},
        400: {"description": f"RFC 6749 section 5.2; where something ended, with {_TERMINAL}."},
        413: {"description": "The form is too large."},
        429: {"description": "Too many attempts."},
        500: {"description": "A fault of ours; nothing was decided."},
        503: {"description": "Nothing was decided, try again."},
    }
    for status in responses.keys() - {200}:
        responses[status]["model"] = answers.TokenRefused
    extra = {"requestBody": {"required": True, "content": {grants.FORM: {"schema": schema}}}}
    return {"response_class": Response, "responses": responses, "openapi_extra": extra}

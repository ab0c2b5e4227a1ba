"""What each route of this dialect says about itself in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic import BaseModel

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.surfaces.elixir.refusals import spelling
from gatepass.surfaces.elixir.wire import Failure, Success
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge

_EVERYWHERE: tuple[type[Refusal], ...] = (
    errors.ApiKeyRefused,
    errors.TooManyRequests,
    errors.NotFound,
    MethodNotAllowed,
    PayloadTooLarge,
    Fault,
    errors.Unavailable,
)


def documented(
    data: type[BaseModel],
    *refusals: type[Refusal],
    body: type[BaseModel] | None = None,
    bearer: bool = False,
    query: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Arguments for a route: its body or *query*, its answer, and its refusals besides those given everywhere."""
    if body is not None:
        refusals = (errors.InputRefused, *refusals)
    if bearer:
        refusals = (errors.AccessTokenRefused, errors.UserBanned, *refusals)
    by_status: dict[int, dict[str, str | None]] = {}
    for refusal in (*_EVERYWHERE, *refusals):
        status, code, message = spelling(refusal)
        by_status.setdefault(status, {})[str(code)] = message
    responses: dict[int | str, dict[str, Any]] = {200: {"model": Success[data], "description": data.__doc__}}  # type: ignore[valid-type]
    for status, codes in sorted(by_status.items()):
        responses[status] = {
            "model": Failure,
            "description": "; ".join(f"`{code}` {message or ''}".strip() for code, message in sorted(codes.items())),
            "content": {
                "application/json": {"examples": {code: _example(status, code, codes[code]) for code in codes}}
            },
        }
    extra: dict[str, Any] = {"security": [{"ApiKey": [], "AccessToken": []} if bearer else {"ApiKey": []}]}
    if query:
        extra["parameters"] = [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": words}
            for name, words in query.items()
        ]
    if body is not None:
        schema = body.model_json_schema(by_alias=True)
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"response_class": Response, "responses": responses, "openapi_extra": extra}


def _example(status: int, code: str, message: str | None) -> dict[str, Any]:
    error: dict[str, Any] = {"status": status, "code": int(code) if code.isdigit() else code}
    if message is not None:
        error["message"] = message
    if code == "1130":
        error["banReason"] = "Chargeback"
    return {"value": {"code": -1, "success": False, "error": error}}


SECURITY_SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "A publishable key."},
    "AccessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `token` of a sign-in or refresh.",
    },
}

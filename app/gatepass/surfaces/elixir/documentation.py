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
    data: type[BaseModel], *refusals: type[Refusal], body: type[BaseModel] | None = None, bearer: bool = False
) -> dict[str, Any]:
    """Arguments for a route: its body, its answer and the refusals it may give, besides those given everywhere."""
    if body is not None:
        refusals = (errors.InputRefused, *refusals)
    if bearer:
        refusals = (errors.AccessTokenRefused, errors.UserBanned, *refusals)
    by_status: dict[int, set[str]] = {}
    for refusal in (*_EVERYWHERE, *refusals):
        status, code, message = spelling(refusal)
        by_status.setdefault(status, set()).add(f"`{code}` {message or ''}".strip())
    responses: dict[int | str, dict[str, Any]] = {200: {"model": Success[data], "description": data.__doc__}}  # type: ignore[valid-type]
    for status, lines in sorted(by_status.items()):
        responses[status] = {"model": Failure, "description": "; ".join(sorted(lines))}
    extra: dict[str, Any] = {"security": [{"ApiKey": [], "AccessToken": []} if bearer else {"ApiKey": []}]}
    if body is not None:
        schema = body.model_json_schema(by_alias=True)
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"response_class": Response, "responses": responses, "openapi_extra": extra}


SECURITY_SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "A publishable key."},
    "AccessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}

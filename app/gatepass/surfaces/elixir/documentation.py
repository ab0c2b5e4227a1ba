"""What each route of this dialect says about itself in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic import BaseModel

from gatepass.surfaces.elixir.refusals import SPELLING
from gatepass.surfaces.elixir.wire import Failure, Success

_EVERYWHERE: tuple[int | str, ...] = (1001, 1140, 1150, 1151, 1152, 1190, 1191)


def documented(
    data: type[BaseModel], *codes: int | str, body: type[BaseModel] | None = None, bearer: bool = False
) -> dict[str, Any]:
    """Arguments for a route: its body, its answer and every `error.code` it may give, besides those given everywhere."""
    if body is not None:
        codes = (1100, *codes)
    by_status: dict[int, list[str]] = {}
    for status, code, message in SPELLING.values():
        if code in (*_EVERYWHERE, *codes):
            line = f"`{code}` {message or ''}".strip()
            if line not in by_status.setdefault(status, []):
                by_status[status].append(line)
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

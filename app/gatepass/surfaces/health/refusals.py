"""How refusals are spelled where no dialect rules: RFC 9457 problem details, without any caller input."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Response
from fastapi.responses import JSONResponse

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.wiring import MethodNotAllowed, PayloadTooLarge, what_next

STATUS: dict[type[Refusal], int] = {
    errors.AccessTokenRefused: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    MethodNotAllowed: 405,
    PayloadTooLarge: 413,
    errors.InputRefused: 422,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
    Refusal: 500,
}


def spell(refusal: Refusal) -> Response:
    """`{"status", "title"}` (RFC 9457 section 3)."""
    status = next(STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS)
    headers = {"cache-control": "no-store", **what_next(refusal)}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    body = {"status": status, "title": HTTPStatus(status).phrase}
    return JSONResponse(body, status, headers, media_type="application/problem+json")

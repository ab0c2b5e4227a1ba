"""How Elixir spells every refusal (contract elixir, section 6). One table; a test proves it covers the whole tree."""

from __future__ import annotations

import json

from fastapi import Response

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.surfaces.elixir.wire import respond
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge, what_next

INVALID_REFRESH_TOKEN = "INVALID_REFRESH_TOKEN"

SPELLING: dict[type[Refusal], tuple[int, int | str, str | None]] = {
    errors.ApiKeyRefused: (400, 1001, "Invalid API Key"),
    errors.AccessTokenRefused: (400, 1000, "Invalid Credentials!"),
    errors.ProofRefused: (400, 1000, "Invalid Credentials!"),
    errors.ReikeyRefused: (400, 1000, "Not an activable reikey"),
    errors.OtpExpired: (400, 1110, "Code expired"),
    errors.OtpLocked: (400, 1111, "Too many attempts"),
    errors.RefreshRefused: (400, INVALID_REFRESH_TOKEN, None),
    errors.DpopRefused: (400, 1000, "Invalid Credentials!"),
    errors.UserBanned: (400, 1130, "Account suspended"),
    errors.InputRefused: (400, 1100, "Invalid request body"),
    errors.Conflict: (400, 1100, "Invalid request body"),
    errors.Forbidden: (400, 1000, "Invalid Credentials!"),
    errors.TooManyRequests: (429, 1140, "Too many requests"),
    errors.NotFound: (404, 1150, "Not found"),
    MethodNotAllowed: (405, 1151, "Method not allowed"),
    PayloadTooLarge: (413, 1152, "Payload too large"),
    Fault: (500, 1190, "Internal error"),
    errors.Unavailable: (503, 1191, "Temporarily unavailable"),
}


def spelling(refusal: type[Refusal]) -> tuple[int, int | str, str | None]:
    """Status, code and message of the nearest class in the table."""
    return next(SPELLING[kind] for kind in refusal.__mro__ if kind in SPELLING)


def spell(refusal: Refusal) -> Response:
    """The failure envelope of *refusal*."""
    status, code, message = spelling(type(refusal))
    if isinstance(refusal, errors.InputRefused) and refusal.field == "email":
        message = "Invalid email"
    error: dict[str, int | str] = {"status": status, "code": code}
    if message is not None:
        error["message"] = message
    if isinstance(refusal, errors.UserBanned):
        error["banReason"] = refusal.reason
    body = json.dumps({"code": -1, "success": False, "error": error}, separators=(",", ":"))
    return respond(status, body, what_next(refusal))

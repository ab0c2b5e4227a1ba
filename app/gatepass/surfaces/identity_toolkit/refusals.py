"""How the Firebase-compatible profile spells refusals (contract junction, section 9): everything is in the message.

`USER_NOT_FOUND`, `USER_DISABLED` and `TOKEN_EXPIRED` sign a Firebase client out, so they are never said for a fault of
ours, nor for a session that merely cannot be used here. A test proves that the table covers the whole tree.
"""

from __future__ import annotations

import json

from fastapi import Response

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.core.sessions import Cause
from gatepass.grants import FormRefused, GrantTypeUnsupported, TenantDiffers
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge, what_next

_ARGUMENT = "INVALID_ARGUMENT"

Spelling = tuple[int, str, str]


class Missing(FormRefused):
    """A member that must be there; *message* is Google's word for its absence."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


SPELLING: dict[type[Refusal], Spelling] = {
    # 401: mobile SDKs of before October 2025 look only at that status, Firebase clients only at the message.
    errors.ProofRefused: (401, "INVALID_CUSTOM_TOKEN", _ARGUMENT),
    TenantDiffers: (400, "TENANT_ID_MISMATCH", _ARGUMENT),
    errors.RefreshRefused: (400, "TOKEN_EXPIRED", _ARGUMENT),
    errors.UserBanned: (400, "USER_DISABLED", _ARGUMENT),
    errors.AccessTokenRefused: (400, "INVALID_ID_TOKEN", _ARGUMENT),
    errors.AccessTokenDead: (400, "TOKEN_EXPIRED", _ARGUMENT),
    errors.DpopRefused: (400, "OPERATION_NOT_ALLOWED", _ARGUMENT),
    GrantTypeUnsupported: (400, "INVALID_GRANT_TYPE", _ARGUMENT),
    FormRefused: (400, "INVALID_REQUEST", _ARGUMENT),
    errors.InputRefused: (400, "INVALID_REQUEST", _ARGUMENT),
    errors.Conflict: (400, "INVALID_REQUEST", _ARGUMENT),
    errors.ApiKeyRefused: (400, "INVALID_REQUEST", _ARGUMENT),
    errors.Forbidden: (403, "OPERATION_NOT_ALLOWED", "PERMISSION_DENIED"),
    errors.NotFound: (404, "NOT_FOUND", "NOT_FOUND"),
    MethodNotAllowed: (405, "METHOD_NOT_ALLOWED", _ARGUMENT),
    PayloadTooLarge: (413, "PAYLOAD_TOO_LARGE", _ARGUMENT),
    errors.TooManyRequests: (429, "TOO_MANY_ATTEMPTS_TRY_LATER", "RESOURCE_EXHAUSTED"),
    Fault: (500, "INTERNAL_ERROR", "INTERNAL"),
    errors.Unavailable: (503, "UNAVAILABLE", "UNAVAILABLE"),
}

_BY_CAUSE = {
    Cause.USER_DELETED: "USER_NOT_FOUND",
    Cause.TEAM_GONE: "USER_NOT_FOUND",
    Cause.BANNED: "USER_DISABLED",
}
"""Causes after which a refresh says that the user is gone (F2)."""


def spelling(refusal: type[Refusal]) -> Spelling:
    """HTTP status, message and Google's status word of the nearest class in the table."""
    return next(SPELLING[kind] for kind in refusal.__mro__ if kind in SPELLING)


def spell(refusal: Refusal) -> Response:
    """The error body of *refusal*."""
    code, message, status = spelling(type(refusal))
    if isinstance(refusal, Missing):
        message = refusal.message
    if isinstance(refusal, errors.SessionEnded):
        message = _BY_CAUSE.get(Cause(refusal.cause), message)
    headers = {"cache-control": "no-store", **what_next(refusal)}
    reason = {"message": message, "domain": "global", "reason": "invalid"}
    body = {"error": {"code": code, "message": message, "status": status, "errors": [reason]}}
    return Response(json.dumps(body, separators=(",", ":")), code, headers, "application/json")

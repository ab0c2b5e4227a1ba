"""How Junction's token endpoint spells refusals (contract junction, section 6.5, F1 to F9).

Three bodies end something on the phone: `invalid_token` at an exchange fails the sign-in and at a refresh wipes the user
(F1, F2); `reauthentication_required` asks the app for a new sign-in token (F3). A fault of ours is never one of them,
and no other body has an object in `detail`, for one SDK trips over it. A test proves that the table covers the tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Response

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.core.sessions import Cause
from gatepass.grants import FormRefused, GrantTypeUnsupported
from gatepass.surfaces.junction.refusals import headers_of
from gatepass.surfaces.junction.wire import respond
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge

LATER = "temporarily_unavailable"


@dataclass(frozen=True, slots=True)
class Spelling:
    """Status, RFC 6749 error word (None: not even that), words for people, and the SDK's own word if terminal."""

    status: int
    error: str | None
    words: str
    error_type: Literal["invalid_token", "reauthentication_required"] | None = None

    def body(self) -> dict[str, Any]:
        """The bytes' members, in the contract's order."""
        if self.error is None:
            return {"detail": self.words}
        if self.error == LATER:
            return {"error": self.error, "detail": self.words}
        detail = {"error_type": self.error_type, "message": self.words} if self.error_type else self.words
        return {"error": self.error, "error_description": self.words, "detail": detail}


_SIGN_IN_TOKEN = Spelling(400, "invalid_grant", "The sign-in token is invalid, expired or used.", "invalid_token")
_USER_GONE = Spelling(400, "invalid_grant", "The user is gone.", "invalid_token")
_ENDED = Spelling(400, "invalid_grant", "The session was ended.", "reauthentication_required")
_NOT_HERE = Spelling(400, "invalid_request", "This endpoint takes no such thing.")

SPELLING: dict[type[Refusal], Spelling] = {
    errors.ProofRefused: _SIGN_IN_TOKEN,
    errors.UserBanned: _USER_GONE,
    errors.RefreshRefused: _ENDED,
    errors.SessionExpired: Spelling(400, "invalid_grant", "The session has expired.", "reauthentication_required"),
    errors.DpopRefused: Spelling(400, "invalid_dpop_proof", "The session is bound to a key of the device."),
    FormRefused: Spelling(400, "invalid_request", "The form is not acceptable."),
    GrantTypeUnsupported: Spelling(400, "unsupported_grant_type", "This grant type is not served here."),
    MethodNotAllowed: Spelling(405, None, "Method Not Allowed"),
    PayloadTooLarge: Spelling(413, "invalid_request", "The form is too large."),
    errors.TooManyRequests: Spelling(429, LATER, "Too many attempts."),
    errors.Unavailable: Spelling(503, LATER, "Temporarily unavailable."),
    Fault: Spelling(500, LATER, "Internal error."),
    errors.ApiKeyRefused: _NOT_HERE,
    errors.AccessTokenRefused: _NOT_HERE,
    errors.NotFound: _NOT_HERE,
    errors.Conflict: _NOT_HERE,
    errors.InputRefused: _NOT_HERE,
    errors.Forbidden: _NOT_HERE,
}

_USER_IS_GONE = frozenset({Cause.USER_DELETED, Cause.BANNED, Cause.TEAM_GONE})
"""Causes after which the phone wipes what it holds (F2); after any other it keeps the user and asks (F3)."""


def spelling(refusal: Refusal) -> Spelling:
    """How *refusal* is spelled: the nearest class in the table, and of an ended session by its cause."""
    if isinstance(refusal, errors.SessionEnded) and refusal.cause in _USER_IS_GONE:
        return _USER_GONE
    found = next(SPELLING[kind] for kind in type(refusal).__mro__ if kind in SPELLING)
    if isinstance(refusal, FormRefused):
        return Spelling(found.status, found.error, refusal.why)
    return found


def spell_token(refusal: Refusal) -> Response:
    """The answer to *refusal* at `/v1/token`, `/auth/v1/token` and `/v1/revoke`."""
    spelled = spelling(refusal)
    return respond(spelled.status, spelled.body(), headers_of(refusal))

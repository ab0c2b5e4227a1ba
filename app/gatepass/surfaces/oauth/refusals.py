"""How the OAuth endpoints spell refusals: RFC 6749 section 5.2, and for a protected resource RFC 6750 section 3.

Two tables, one for `/oauth/*` and the documents, one for `/userinfo`; a test proves that both cover the whole tree. A
fault of ours is never `invalid_grant`: a client keeps its session and comes back later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from fastapi import Response

from gatepass.core import dpop, errors
from gatepass.core.errors import Refusal
from gatepass.grants import FormRefused, GrantTypeUnsupported
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge, what_next

NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
_REQUEST = (400, "invalid_request", "The request is not acceptable.")
_LATER = "temporarily_unavailable"
_BASIC = 'Basic realm="gatepass"'
_BEARER = 'Bearer realm="gatepass", error="invalid_token"'
_ALGORITHMS = f'algs="{" ".join(dpop.ALGORITHMS)}"'

Spelling = tuple[int, str, str]


class CallerRefused(errors.ApiKeyUnknown):
    """Whoever introspects has not shown a secret key. *scheme* is that of its Authorization header, if it sent one."""

    def __init__(self, scheme: str) -> None:
        super().__init__("no secret key of a team")
        self.scheme = scheme


class NoToken(errors.AccessTokenRefused):
    """A request without any access token: it is told the schemes, and no error (RFC 6750 section 3.1)."""


SPELLING: dict[type[Refusal], Spelling] = {
    FormRefused: _REQUEST,
    GrantTypeUnsupported: (400, "unsupported_grant_type", "This grant type is not served here."),
    errors.ProofRefused: (400, "invalid_grant", "The sign-in token is invalid, expired or used."),
    errors.RefreshRefused: (400, "invalid_grant", "The refresh token is not valid."),
    errors.SessionExpired: (400, "invalid_grant", "The session has expired."),
    errors.SessionEnded: (400, "invalid_grant", "The session was ended."),
    errors.TokenReused: (400, "invalid_grant", "The session was ended."),
    errors.UserBanned: (400, "invalid_grant", "The user is gone."),
    errors.DpopRefused: (400, "invalid_dpop_proof", "A fresh DPoP proof by the key of the session is needed."),
    errors.ApiKeyRefused: (401, "invalid_client", "A secret key of the team is needed."),
    errors.AccessTokenRefused: _REQUEST,
    errors.InputRefused: _REQUEST,
    errors.Conflict: _REQUEST,
    errors.Forbidden: (403, "unauthorized_client", "The caller may not do this."),
    errors.NotFound: (404, "invalid_request", "There is nothing here."),
    MethodNotAllowed: (405, "invalid_request", "This path takes another method."),
    PayloadTooLarge: (413, "invalid_request", "The body is too large."),
    errors.TooManyRequests: (429, _LATER, "Too many attempts."),
    Fault: (500, "server_error", "Internal error."),
    errors.Unavailable: (503, _LATER, "Temporarily unavailable."),
}

_TOKEN = (401, "invalid_token", "The access token is not valid.")

AT_RESOURCE: dict[type[Refusal], Spelling] = {
    **SPELLING,
    errors.AccessTokenRefused: _TOKEN,
    errors.UserBanned: _TOKEN,
    errors.DpopRefused: (401, "invalid_dpop_proof", "A fresh DPoP proof by the key of the token is needed."),
}


def spelling(refusal: type[Refusal], table: Mapping[type[Refusal], Spelling] = SPELLING) -> Spelling:
    """Status, `error` and `error_description` of the nearest class in *table*."""
    return next(table[kind] for kind in refusal.__mro__ if kind in table)


def spell(refusal: Refusal) -> Response:
    """The answer to *refusal* at an endpoint of the server."""
    headers = _headers(refusal)
    if isinstance(refusal, CallerRefused):
        headers["www-authenticate"] = _BEARER if refusal.scheme == "bearer" else _BASIC
    return _answer(refusal, spelling(type(refusal)), headers)


def spell_at_resource(refusal: Refusal) -> Response:
    """The answer to *refusal* at a protected resource; a 401 names both schemes (RFC 6750, 3; RFC 9449, 7.1)."""
    spelled = spelling(type(refusal), AT_RESOURCE)
    headers = _headers(refusal)
    if spelled[0] == 401:
        scheme = "DPoP" if isinstance(refusal, errors.DpopRefused) else "Bearer"
        challenges = {"Bearer": 'Bearer realm="gatepass"', "DPoP": f"DPoP {_ALGORITHMS}"}
        if not isinstance(refusal, NoToken):
            challenges[scheme] += f', error="{spelled[1]}"'
        headers["www-authenticate"] = ", ".join(
            challenges[name] for name in sorted(challenges, key=lambda n: n != scheme)
        )
    return _answer(refusal, spelled, headers)


def _headers(refusal: Refusal) -> dict[str, str]:
    return {**NO_STORE, **what_next(refusal)}


def _answer(refusal: Refusal, spelled: Spelling, headers: dict[str, str]) -> Response:
    status, error, description = spelled
    if isinstance(refusal, FormRefused):
        description = refusal.why
    body = {"error": error, "error_description": description}
    return Response(json.dumps(body, separators=(",", ":")), status, headers, "application/json")

"""How the admin API spells refusals: RFC 9457 problem details whose `detail` says what to do.

One table; a test proves that it covers the whole tree. Nothing of the request is repeated.
"""

from __future__ import annotations

from fastapi import Response

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.surfaces.admin.wire import MEDIA_TYPE_PROBLEM, Problem
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge, what_next

_NOT_OURS = (
    400,
    "Refused",
    "A device's credentials have no place in the admin API; /docs shows what each route takes.",
)

SPELLING: dict[type[Refusal], tuple[int, str, str]] = {
    errors.AccessTokenRefused: (
        401,
        "Admin token needed",
        "Send the header `Authorization: Bearer …` with the value of GATEPASS_ADMIN_TOKEN.",
    ),
    errors.Forbidden: (403, "Admin API off", "the admin API is off: set GATEPASS_ADMIN_TOKEN"),
    errors.NotFound: (
        404,
        "Not found",
        "There is no such {what}; list what there is, and mind that each team has its own.",
    ),
    MethodNotAllowed: (405, "Method not allowed", "This path takes {allow}."),
    errors.Conflict: (409, "Conflict", "{message}; read what is there and change that instead."),
    PayloadTooLarge: (413, "Body too large", "Send at most 16 KiB."),
    errors.InputRefused: (422, "Input not acceptable", "{problem}; /docs shows what this route takes."),
    errors.TooManyRequests: (429, "Too many requests", "Try again in {retry_after} s."),
    Fault: (500, "Internal error", "A fault of ours; the server's log says more."),
    errors.Unavailable: (503, "Unavailable", "The database cannot answer now; try again in {retry_after} s."),
    errors.ApiKeyRefused: _NOT_OURS,
    errors.DpopRefused: _NOT_OURS,
    errors.ProofRefused: _NOT_OURS,
    errors.RefreshRefused: _NOT_OURS,
    errors.UserBanned: _NOT_OURS,
}


def spelling(refusal: type[Refusal]) -> tuple[int, str, str]:
    """Status, title and the words of `detail` of the nearest class in the table."""
    return next(SPELLING[kind] for kind in refusal.__mro__ if kind in SPELLING)


def problem_of(refusal: Refusal) -> Problem:
    """The body of the answer to *refusal*."""
    status, title, words = spelling(type(refusal))
    field = {}
    match refusal:
        case errors.NotFound(what=what):
            words = words.format(what=what)
        case MethodNotAllowed(allow=allow):
            words = words.format(allow=allow or "no method")
        case errors.Conflict():
            words = words.format(message=refusal)
        case errors.InputRefused():
            words = words.format(
                problem=f"`{refusal.field}` {refusal.why}" if refusal.field else f"The body {refusal.why}"
            )
            field = {"field": refusal.field} if refusal.field else {}
        case errors.TooManyRequests(retry_after=seconds) | errors.Unavailable(retry_after=seconds):
            words = words.format(retry_after=seconds)
    return Problem(status=status, title=title, detail=words, **field)


def spell(refusal: Refusal) -> Response:
    """The answer to *refusal* (RFC 9457 section 3; RFC 6750 section 3 for 401)."""
    problem = problem_of(refusal)
    headers = {"cache-control": "no-store", **what_next(refusal)}
    if problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="Gatepass admin"'
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE_PROBLEM)

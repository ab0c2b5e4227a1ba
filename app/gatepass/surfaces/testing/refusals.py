"""How the control plane spells refusals: RFC 9457 problem details that say what to do. A test reads them, or its author."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import Response

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.core.inbox import Message
from gatepass.surfaces.testing import wire
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge, what_next

MEDIA_TYPE = "application/problem+json"


class NothingArrived(Refusal):
    """No such mail came in time; *arrived* is what did come, to whomever."""

    def __init__(self, arrived: Sequence[Message]) -> None:
        super().__init__("no mail")
        self.arrived = arrived


SPELLING: dict[type[Refusal], tuple[int, str, str]] = {
    NothingArrived: (408, "No such mail", "No such mail came in time; `arrived` is what did, oldest first."),
    errors.AccessTokenRefused: (401, "Admin token needed", "Send `Authorization: Bearer …` with the admin token."),
    errors.UserBanned: (403, "User banned", "A banned user gets no session; ask for one that ended by `banned`."),
    errors.Forbidden: (403, "Forbidden", "{message}"),
    errors.NotFound: (404, "Not found", "There is no such {message} here."),
    MethodNotAllowed: (405, "Method not allowed", "This path takes {message}."),
    errors.Conflict: (409, "Conflict", "{message}."),
    PayloadTooLarge: (413, "Body too large", "Send less."),
    errors.InputRefused: (422, "Input not acceptable", "{message}."),
    errors.TooManyRequests: (429, "Too many requests", "A limit of this server is used up."),
    Fault: (500, "Internal error", "A fault of ours; the server's log says more."),
    errors.Unavailable: (503, "Unavailable", "The database cannot answer now; try again."),
    Refusal: (400, "Refused", "{message}."),
}


def spell(refusal: Refusal) -> Response:
    """The answer to *refusal*."""
    status, title, detail = next(SPELLING[kind] for kind in type(refusal).__mro__ if kind in SPELLING)
    problem: dict[str, Any] = {"status": status, "title": title, "detail": detail.format(message=refusal)}
    headers = {"cache-control": "no-store", **what_next(refusal)}
    match refusal:
        case NothingArrived(arrived=arrived):
            problem["arrived"] = wire.arrived(list(arrived))
        case errors.AccessTokenRefused():
            headers["www-authenticate"] = 'Bearer realm="Gatepass test mode"'
    return Response(json.dumps(problem), status, headers, MEDIA_TYPE)

"""How the `/v2` calls of Junction spell refusals (contract junction, sections 2 to 4).

One table: status and the text in `detail`. Where a route has words of its own for something, its refusal is a subclass
here. Two bodies are more than text: the 422 list, and the conflict on create, which names the user to go on with.
A test proves that the table covers the whole tree. The token endpoint has other needs: see token_refusals.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Response

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.surfaces.junction.wire import BodyRefused, instant, respond
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge, what_next


class ManagementKeyRefused(errors.ApiKeyUnknown):
    """No management key, or not the one of this deployment."""


class AppKeyRefused(errors.Forbidden):
    """A team's key inside an app, where the team wants none."""


class UserDisabled(errors.Forbidden):
    """A disabled user gets no sign-in token."""


class NothingToPatch(errors.InputRefused):
    """A change that changes nothing."""


class NobodyResolved(errors.NotFound):
    """No living user has that client_user_id."""


class NobodyToChange(errors.NotFound):
    """J5 and J6 say it in other words than J3."""


class DeletedBefore(errors.UserDeleted):
    """J5 and J6 say it in other words than J3."""


class NameTaken(errors.ClientUserIdTaken):
    """J5's conflict, which no SDK has to recover from: a text, unlike J1's."""


SPELLING: dict[type[Refusal], tuple[int, str]] = {
    errors.ApiKeyRefused: (401, "invalid token"),
    errors.AccessTokenRefused: (401, "invalid token"),
    errors.DpopRefused: (401, "invalid token"),
    errors.UserBanned: (401, "invalid token"),
    errors.ProofRefused: (401, "invalid token"),
    errors.RefreshRefused: (401, "invalid token"),
    errors.Forbidden: (403, "This credential does not reach here."),
    AppKeyRefused: (403, "This team's keys are not for apps: sign the user in with a sign-in token."),
    UserDisabled: (403, "The user is disabled."),
    errors.NotFound: (404, "Not found"),
    errors.UserDeleted: (404, "You have scheduled this user for deletion."),
    NobodyResolved: (404, "User not found"),
    NobodyToChange: (404, "The user does not or no longer exists in this team"),
    DeletedBefore: (404, "The user has been scheduled for deletion as per your previous request"),
    errors.Conflict: (400, "A living user has this client user id or address."),
    errors.ClientUserIdTaken: (400, "Client user id already exists."),
    NameTaken: (409, "Client user id already exists"),
    NothingToPatch: (400, "Nothing to patch"),
    errors.InputRefused: (422, ""),
    MethodNotAllowed: (405, "Method Not Allowed"),
    PayloadTooLarge: (413, "Payload too large"),
    errors.TooManyRequests: (429, "Too many requests"),
    Fault: (500, "Internal error"),
    errors.Unavailable: (503, "Temporarily unavailable"),
}

_CHALLENGES: dict[type[Refusal], str] = {
    errors.AccessTokenRefused: "Bearer",
    errors.UserBanned: "Bearer",
    errors.DpopRefused: 'DPoP error="invalid_dpop_proof", algs="ES256 RS256 EdDSA"',
}


def spelling(refusal: type[Refusal]) -> tuple[int, str]:
    """Status and text of the nearest class in the table."""
    return next(SPELLING[kind] for kind in refusal.__mro__ if kind in SPELLING)


def headers_of(refusal: Refusal) -> dict[str, str]:
    """What a refusal says in headers: how to authenticate (RFC 6750 section 3), when to come again, which methods go."""
    headers = what_next(refusal)
    for kind, challenge in _CHALLENGES.items():
        if isinstance(refusal, kind):
            headers["www-authenticate"] = challenge
    return headers


def spell(refusal: Refusal) -> Response:
    """The answer to *refusal*: `{"detail": text, object or list}`."""
    status, detail = spelling(type(refusal))
    return respond(status, {"detail": _detail(refusal, detail)}, headers_of(refusal))


def _detail(refusal: Refusal, text: str) -> Any:
    match refusal:
        case NameTaken() | NothingToPatch():
            return text
        case errors.ClientUserIdTaken(user_id=user_id, created_at=created_at):
            taken = {"user_id": str(user_id), "created_on": instant(created_at)}
            return {"error_type": "INVALID_REQUEST", "error_message": text, **taken}
        case BodyRefused(problems=problems):
            return problems
        case errors.InputRefused(field=field, why=why):
            return [{"type": "value_error", "loc": ["body", *([field] if field else [])], "msg": f"Value error, {why}"}]
        case _:
            return text


@contextmanager
def changing() -> Iterator[None]:
    """Say what is missing in the words of J5 and J6."""
    try:
        yield
    except errors.UserDeleted as deleted:
        raise DeletedBefore from deleted
    except errors.NotFound as missing:
        raise NobodyToChange("user") from missing

"""How the console spells refusals: as a page that says what happened and what to do next.

One table; a test proves that it covers the whole tree. Nothing of the request is repeated.
"""

from __future__ import annotations

from fastapi import Response

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.pages.site import ForeignForm
from gatepass.surfaces.console.access import SignInNeeded
from gatepass.surfaces.console.rooms import site
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge, what_next

_NOT_OURS = (400, "That does not belong here", "A device's credentials open nothing in the console.")

SPELLING: dict[type[Refusal], tuple[int, str, str]] = {
    SignInNeeded: (401, "Please sign in", "The console is for the operators of this server."),
    ForeignForm: (
        403,
        "The form has gone stale",
        "It did not come from this page, or you have signed in or out since. Open the page again and repeat what you did.",
    ),
    errors.LinkRefused: (
        404,
        "This link does not work",
        "It was used already, has expired, or was never made. Whoever runs the server makes a new one with "
        "gatepass operators link NAME.",
    ),
    errors.PasswordWrong: (401, "That did not match", "Check the name and the password."),
    errors.Forbidden: (403, "Not allowed", "This server does not allow that."),
    errors.UserDeleted: (410, "The user is deleted", "Within seven days a deleted user can be brought back."),
    errors.NotFound: (404, "There is nothing here", "There is no such {what}, or not any more."),
    MethodNotAllowed: (405, "That cannot be done here", "Go back and use the page's own buttons."),
    errors.Conflict: (409, "That contradicts what there is", "{message}."),
    PayloadTooLarge: (413, "Too much at once", "The form is longer than this page takes."),
    errors.InputRefused: (422, "That cannot be taken", "{message}."),
    errors.TooManyRequests: (429, "Too many attempts", "Try again in {retry_after} seconds."),
    Fault: (500, "Something broke here", "It is not your doing; the server's log says more."),
    errors.Unavailable: (503, "One moment", "The database cannot answer now. Try again in a few seconds."),
    errors.ApiKeyRefused: _NOT_OURS,
    errors.AccessTokenRefused: _NOT_OURS,
    errors.DpopRefused: _NOT_OURS,
    errors.ProofRefused: _NOT_OURS,
    errors.RefreshRefused: _NOT_OURS,
    errors.UserBanned: _NOT_OURS,
}


def spelling(refusal: Refusal) -> tuple[int, str, str]:
    """Status, title and words of the nearest class in the table."""
    status, title, words = next(SPELLING[kind] for kind in type(refusal).__mro__ if kind in SPELLING)
    match refusal:
        case errors.NotFound(what=what):
            words = words.format(what=what)
        case errors.TooManyRequests(retry_after=seconds):
            words = words.format(retry_after=seconds)
        case errors.Conflict() | errors.InputRefused():
            words = words.format(message=str(refusal)[:1].upper() + str(refusal)[1:])
    return status, title, words


def spell(refusal: Refusal) -> Response:
    """The page that answers *refusal*; the way to the sign-in page where nobody is signed in."""
    if isinstance(refusal, SignInNeeded):
        where = f"/console/sign-in?next={refusal.after}"
        if refusal.partial:
            return Response(status_code=401, headers={"hx-redirect": where, "cache-control": "no-store"})
        return Response(status_code=303, headers={"location": where, "cache-control": "no-store"})
    status, title, words = spelling(refusal)
    answer = site.render_bare("refused.html", status, heading=title, words=words)
    answer.headers.update(what_next(refusal))
    return answer

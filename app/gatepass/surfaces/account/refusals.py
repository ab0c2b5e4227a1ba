"""How My Account spells refusals: as a page for people who know nothing of servers.

One table; a test proves that it covers the whole tree. Nothing of the request is repeated.
"""

from __future__ import annotations

from fastapi import Response

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.pages.site import ForeignForm
from gatepass.surfaces.account.access import SignInNeeded, site
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge, what_next

_NOT_OURS = (400, "That does not belong here", "What an app signs in with opens nothing on this page.")
_CODE_GONE = (400, "That code no longer works", "It was used, or it is too old. Ask for a new one.")

SPELLING: dict[type[Refusal], tuple[int, str, str]] = {
    SignInNeeded: (401, "Please sign in", "You are not signed in, or not any more."),
    ForeignForm: (
        403,
        "The page has gone stale",
        "You have signed in or out since it was opened. Open it again and repeat what you did.",
    ),
    errors.CodeWrong: (400, "That is not the code", "Look at the newest mail and try again."),
    errors.CodeMalformed: (400, "That is not the code", "It is the number in the newest mail, nothing else."),
    errors.OtpUnknown: _CODE_GONE,
    errors.OtpExpired: _CODE_GONE,
    errors.OtpLocked: (400, "Too many wrong codes", "This code is used up. Ask for a new one."),
    errors.UserBanned: (403, "This account is suspended", "{reason}"),
    errors.Forbidden: (403, "Not allowed", "This server does not allow that."),
    errors.NotFound: (404, "There is nothing here", "The page does not exist, or not any more."),
    MethodNotAllowed: (405, "That cannot be done here", "Go back and use the page's own buttons."),
    errors.Conflict: (409, "That contradicts what there is", "Go back and look again."),
    PayloadTooLarge: (413, "Too much at once", "That is longer than this page takes."),
    errors.InputRefused: (422, "That cannot be taken", "{message}."),
    errors.TooManyRequests: (429, "Too many attempts", "Try again in {wait}."),
    Fault: (500, "Something broke here", "It is not your doing. Try again later."),
    errors.Unavailable: (503, "One moment", "The server cannot answer now. Try again in a few seconds."),
    errors.ApiKeyRefused: _NOT_OURS,
    errors.AccessTokenRefused: _NOT_OURS,
    errors.DpopRefused: _NOT_OURS,
    errors.ProofRefused: _NOT_OURS,
    errors.RefreshRefused: _NOT_OURS,
    errors.LinkRefused: _NOT_OURS,
    errors.PasswordWrong: _NOT_OURS,
}


def spelling(refusal: Refusal) -> tuple[int, str, str]:
    """Status, title and words of the nearest class in the table."""
    status, title, words = next(SPELLING[kind] for kind in type(refusal).__mro__ if kind in SPELLING)
    match refusal:
        case errors.TooManyRequests(retry_after=seconds):
            words = words.format(wait=f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes")
        case errors.InputRefused():
            words = words.format(message=str(refusal)[:1].upper() + str(refusal)[1:])
        case errors.UserBanned(reason=reason):
            words = words.format(reason=reason or "Ask whoever runs the app why.")
    return status, title, words


def spell(refusal: Refusal) -> Response:
    """The page that answers *refusal*; the way to the sign-in page where nobody is signed in."""
    if isinstance(refusal, SignInNeeded):
        status, header = (401, "hx-redirect") if refusal.partial else (303, "location")
        return Response(status_code=status, headers={header: refusal.where, "cache-control": "no-store"})
    status, title, words = spelling(refusal)
    answer = site.render_bare("refused.html", status, heading=title, words=words, team=None, shades=None)
    answer.headers.update(what_next(refusal))
    return answer

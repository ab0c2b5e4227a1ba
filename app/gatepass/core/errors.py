"""Every way the core says no.

The tree is as fine as the pickiest dialect needs; a surface may merge leaves, never guess between them.

    Refusal
    ├── ApiKeyRefused
    │   ├── ApiKeyUnknown           missing, malformed, unknown, revoked, or of the other kind
    │   └── DevelopmentKeyRefused   the team takes no development keys here
    ├── AccessTokenRefused
    │   ├── AccessTokenInvalid      not ours, forged, damaged, or for another team or environment
    │   ├── AccessTokenExpired
    │   └── AccessTokenDead         authentic, but its session is over
    ├── DpopRefused                 a proof of possession that is missing, stale, used or foreign
    ├── ProofRefused
    │   ├── CodeWrong               counted                                   (keeps its writes)
    │   ├── CodeMalformed           not N digits: cannot be right, so not counted
    │   ├── OtpUnknown              no such transaction here, or used already  (keeps its writes)
    │   ├── OtpExpired              stays expired, whatever the clock does    (keeps its writes)
    │   ├── OtpLocked               the guesses are used up                   (keeps its writes)
    │   ├── QrRefused               unknown, expired, used, cancelled, foreign (keeps its writes)
    │   ├── SignInTokenInvalid      forged, foreign, expired, or its user is gone
    │   ├── SignInTokenUsed         its session has moved on
    │   ├── ReikeyRefused           the same for a one-time desktop key       (keeps its writes)
    │   ├── PasswordWrong           an operator's
    │   └── LinkRefused             an operator's one-time link: unknown, used or expired
    ├── RefreshRefused
    │   ├── RefreshTokenMalformed   not a token of ours                       (keeps its writes)
    │   ├── RefreshTokenUnknown     no such session for this caller           (keeps its writes)
    │   ├── SessionExpired          idle or absolute limit passed
    │   ├── SessionEnded            carries the cause
    │   └── TokenReused             a spent token came back: the session ends (keeps its writes)
    ├── UserBanned                  carries the reason to show; its proof is spent (keeps its writes)
    ├── NotFound                    no such object in the caller's reach
    │   └── UserDeleted             it is in its grace period
    ├── Conflict                    the object cannot be that way
    │   └── ClientUserIdTaken       names the living user who has it
    ├── InputRefused                names the field, never its value
    ├── Forbidden                   authentic, but not for this
    ├── TooManyRequests             carries retry_after, seconds
    └── Unavailable                 a fault of ours; carries retry_after, seconds

A refusal has a public half (its class, and the few attributes named above) and a private half, its message: logged and
asserted in tests, never sent.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID


class Refusal(Exception):
    """Base of all refusals. `keeps_writes`: the unit commits what was done, then refuses."""

    keeps_writes: ClassVar[bool] = False

    def __init__(self, private: str = "") -> None:
        super().__init__(private)


class ApiKeyRefused(Refusal):
    """The key in the request opens nothing here."""


class ApiKeyUnknown(ApiKeyRefused):
    """Missing, malformed, unknown, revoked, or of the other kind."""


class DevelopmentKeyRefused(ApiKeyRefused):
    """A development key where the team accepts none, or where only development keys may come and this is none."""


class AccessTokenRefused(Refusal):
    """The bearer token is not acceptable."""


class AccessTokenInvalid(AccessTokenRefused):
    """Forged, damaged, not ours, or issued for another team or environment."""


class AccessTokenExpired(AccessTokenRefused):
    """Authentic, and past its life."""


class AccessTokenDead(AccessTokenRefused):
    """Authentic, but its session or user is gone."""


class DpopRefused(Refusal):
    """A DPoP proof that is missing, malformed, stale, used, or of another key (RFC 9449 section 5)."""


class ProofRefused(Refusal):
    """What was presented does not open a session."""


class CodeWrong(ProofRefused):
    """A counted wrong guess."""

    keeps_writes = True


class CodeMalformed(ProofRefused):
    """Not the right number of digits; not a guess."""


class OtpUnknown(ProofRefused):
    """No such transaction for this team and environment, or it was used."""

    keeps_writes = True


class OtpExpired(ProofRefused):
    """The code's life is over."""

    keeps_writes = True


class OtpLocked(ProofRefused):
    """The guesses are used up."""

    keeps_writes = True


class QrRefused(ProofRefused):
    """Unknown, expired, used, cancelled, foreign, or shown by a session that has ended."""

    keeps_writes = True


class ReikeyRefused(ProofRefused):
    """A one-time desktop key that opens nothing."""

    keeps_writes = True


class PasswordWrong(ProofRefused):
    """An operator's name or password that is not right; which of the two stays untold."""


class LinkRefused(ProofRefused):
    """An operator's one-time link that is unknown, used or expired."""


class SignInTokenInvalid(ProofRefused):
    """A sign-in token that is forged, foreign, expired or revoked, or whose user or team is gone."""


class SignInTokenUsed(ProofRefused):
    """A sign-in token whose session has moved on, or ended."""


class RefreshRefused(Refusal):
    """The refresh token is refused for good."""


class RefreshTokenMalformed(RefreshRefused):
    """Not a token we ever issued."""

    keeps_writes = True


class RefreshTokenUnknown(RefreshRefused):
    """Authentic, but no session of this caller's team, environment and surface."""

    keeps_writes = True


class SessionExpired(RefreshRefused):
    """The session's idle or absolute limit has passed."""


class SessionEnded(RefreshRefused):
    """The session was ended before; *cause* says by what."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class TokenReused(RefreshRefused):
    """A spent token came back, and the session ends now (RFC 9700 section 4.14.2)."""

    keeps_writes = True


class UserBanned(Refusal):
    """The account is suspended; *reason* is for its owner to read. The proof that came with it stays spent."""

    keeps_writes = True

    def __init__(self, reason: str) -> None:
        super().__init__("banned")
        self.reason = reason


class NotFound(Refusal):
    """No such *what* within the caller's reach."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class UserDeleted(NotFound):
    """The user is scheduled for deletion, and may still be brought back."""

    def __init__(self) -> None:
        super().__init__("user")


class Conflict(Refusal):
    """The request contradicts what exists. The message is safe to show."""


class ClientUserIdTaken(Conflict):
    """A living user of the team has that client_user_id: *user_id*, made at *created_at* (ms)."""

    def __init__(self, user_id: UUID, created_at: int) -> None:
        super().__init__("client_user_id is taken")
        self.user_id = user_id
        self.created_at = created_at


class InputRefused(Refusal):
    """The input cannot be taken. *field* is its name, empty for the whole; the message never holds the value."""

    def __init__(self, field: str = "", why: str = "is not acceptable") -> None:
        super().__init__(f"{field} {why}".strip())
        self.field = field
        self.why = why


class Forbidden(Refusal):
    """The caller is known, and may not do this."""


class TooManyRequests(Refusal):
    """A limit is used up; try again in *retry_after* seconds."""

    def __init__(self, retry_after: int, private: str = "") -> None:
        super().__init__(private)
        self.retry_after = retry_after


class Unavailable(Refusal):
    """A fault of ours. Never terminal: nothing was decided, try again in *retry_after* seconds."""

    def __init__(self, private: str = "", retry_after: int = 1) -> None:
        super().__init__(private)
        self.retry_after = retry_after

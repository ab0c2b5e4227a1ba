"""What can go wrong for a client, by what its app should do about it."""

from __future__ import annotations


class ClientError(Exception):
    """Base of all errors of these clients. No message holds a token or a code."""


class NotSignedIn(ClientError):
    """There is no session to act for: sign in."""


class SignedOut(ClientError):
    """The server ended the session for good, and the local state is gone: sign in."""


class Banned(SignedOut):
    """The account is suspended; *reason* is for its owner to read."""

    def __init__(self, reason: str) -> None:
        super().__init__("the account is suspended")
        self.reason = reason


class Reauthenticate(ClientError):
    """The user stays, the session is over: fetch a new sign-in token for the same user and sign in with it."""


class CannotMigrate(ClientError):
    """The sign-in token is for another user, environment or region than the one configured: sign out first."""


class Refused(ClientError):
    """The server refused this call: *code* is its own word or number. The session is kept."""

    def __init__(self, code: object, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else str(code))
        self.code = code


class TemporarilyUnavailable(ClientError):
    """No answer, 429 or 5xx, several times over. Everything is kept: try again in *retry_after* seconds."""

    def __init__(self, retry_after: float = 1.0) -> None:
        super().__init__("the server could not be reached or asked to wait")
        self.retry_after = retry_after

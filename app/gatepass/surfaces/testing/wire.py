"""The bytes of the control plane: bodies in, plain objects out, instants in RFC 3339 UTC with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gatepass.core.api_keys import Environment
from gatepass.core.sessions import Cause, Surface
from gatepass.core.worlds import FIRST, LAST, NewWorld

Mailbox = Annotated[str, Field(max_length=254, examples=["ada@example.com"])]
"""The core decides what is an address."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = _EPOCH + timedelta(milliseconds=FIRST)
_LATEST = _EPOCH + timedelta(milliseconds=LAST)


def rfc3339(instant: object) -> object:
    """Epoch ms as RFC 3339 section 5.6 writes it; anything else unchanged."""
    if not isinstance(instant, int):
        return instant
    return (_EPOCH + timedelta(milliseconds=instant)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_ms(instant: datetime) -> int:
    """The instant in epoch ms."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


Instant = Annotated[str, BeforeValidator(rfc3339)]
Seconds = Annotated[float, Field(ge=-1e10, le=1e10, allow_inf_nan=False)]


# Requests.


class Body(BaseModel):
    """Base of all request bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MakeWorld(Body):
    """A new world; with a *seed* it gives the same ids, codes, keys and QR values on every run."""

    name: str = Field("World", min_length=1, max_length=100)
    seed: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")] | int | None = None


class SetClock(Body):
    """Let the clock run that far from the server's, or stand still at an instant: one of the two."""

    offset_seconds: Seconds | None = None
    at: AwareDatetime | None = Field(None, ge=_EARLIEST, le=_LATEST)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.offset_seconds is None) == (self.at is None):
            raise ValueError("offset_seconds or at")
        return self


class Advance(Body):
    """Move the clock on, or back with a negative number. A clock that stands still goes on standing, there."""

    seconds: Seconds


class Restore(Body):
    """Which snapshot."""

    snapshot: str


class MintUser(Body):
    """An account in any state. *banned* may say why."""

    email: Mailbox | None = None
    client_user_id: str | None = Field(None, min_length=1, max_length=512)
    nickname: str | None = Field(None, min_length=1, max_length=64)
    test_user: bool = False
    banned: bool | Annotated[str, Field(max_length=500)] = False
    deleted: bool = False


class _OfUser(Body):
    """What belongs to a user: a living one by id, the one of that mailbox, made if need be, or a new one."""

    user_id: UUID | None = None
    email: Mailbox | None = None


class MintSession(_OfUser):
    """A session of an account, its tokens, and what became of them."""

    surface: Surface = Surface.ELIXIR
    environment: Environment = Field(
        Environment.DEVELOPMENT, description="Elixir's; a Junction session has its team's."
    )
    access_token: Literal["live", "expired"] = "live"
    refresh_token: Literal["live", "spent"] = "live"
    ended: Literal["signed_out", "reuse", "banned", "user_deleted", "expired", "admin"] | None = None

    @property
    def cause(self) -> Cause | None:
        return Cause(self.ended) if self.ended else None


class MintSignInToken(_OfUser):
    """A sign-in token of Junction's; one that was *used* has opened a session that has moved on."""

    state: Literal["live", "expired", "used"] = "live"


class MintQr(_OfUser):
    """A QR value, shown by a session that is made for it."""

    environment: Environment = Environment.DEVELOPMENT
    state: Literal["pending", "expired", "used"] = "pending"


# Answers.


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class MadeWorld(Answer):
    """The keys of a new world."""

    team_id: UUID
    secret_key: str
    publishable_key: str
    production_publishable_key: str

    @classmethod
    def of(cls, made: NewWorld) -> Self:
        return cls(
            team_id=made.team.id,
            secret_key=made.secret_key,
            publishable_key=made.publishable_key,
            production_publishable_key=made.production_publishable_key,
        )


class Clock(Answer):
    """A world's clock; *offset_seconds* is how far it is ahead of the server's at this moment."""

    offset_seconds: float
    now: Instant
    stands: bool


class Message(Answer):
    """One mail, and what a test wants of it."""

    id: UUID
    to: str
    subject: str
    text: str
    html: str
    code: str | None
    transaction_id: str | None
    sent_at: Instant


class Snapshot(Answer):
    """What to restore."""

    snapshot: str


class User(Answer):
    """An account."""

    user_id: UUID
    email: str | None
    client_user_id: str | None
    nickname: str
    banned: bool
    deleted: bool


class Session(Answer):
    """A session's tokens, as its app would hold them. *expires_at* epoch ms, *expires_in* seconds, as announced."""

    user_id: UUID
    session_id: UUID
    access_token: str
    refresh_token: str
    expires_at: int
    expires_in: int


class SignInToken(Answer):
    """What a backend hands to its app."""

    user_id: UUID
    sign_in_token: str


class Qr(Answer):
    """A value to scan, and the session that shows it."""

    user_id: UUID
    qr_id: UUID
    qr_value: str
    expires_at: int
    shown_by: Session


def arrived(messages: list[Any]) -> list[dict[str, Any]]:
    """Mails as members of a problem."""
    return [Message.model_validate(message).model_dump(mode="json") for message in messages]

"""The bytes of the admin API: strict bodies in, plain objects out, instants in RFC 3339 UTC with milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import MISSING, AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gatepass.core import audit, explain, sessions
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.errors import InputRefused
from gatepass.core.facts import Fact
from gatepass.core.teams import Region, SignUp, TeamEnvironment

BODY_LIMIT = 16 * 1024
MEDIA_TYPE_PROBLEM = "application/problem+json"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(instant: object) -> object:
    """Epoch ms as RFC 3339 section 5.6 writes it; anything else unchanged."""
    if not isinstance(instant, int):
        return instant
    written = (_EPOCH + timedelta(milliseconds=instant)).isoformat(timespec="milliseconds")
    return written.replace("+00:00", "Z")


def epoch_ms(instant: datetime) -> int:
    """The instant in epoch ms."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _is_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has a control character")
    return text


Line = Annotated[str, AfterValidator(_is_printable)]
"""One line of text: no NUL, which PostgreSQL cannot store, and nothing that would steer a terminal."""
Instant = Annotated[
    str,
    BeforeValidator(rfc3339),
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        examples=["2026-05-01T12:00:00.000Z"],
        json_schema_extra={"format": "date-time"},
    ),
]


# Requests. Unknown members are refused; a member of the wrong kind is named, its value never repeated.


class Body(BaseModel):
    """Base of all request bodies. A member left out of a change stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def given(self) -> dict[str, Any]:
        """What the caller sent, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class CreateTeam(Body):
    """A new team."""

    name: Line = Field(min_length=1, max_length=100, examples=["Acme"])
    region: Region = Region.EU
    environment: TeamEnvironment = TeamEnvironment.SANDBOX


class ChangeTeam(Body):
    """What to change about a team."""

    name: Line | MISSING = Field(MISSING, min_length=1, max_length=100, examples=["Acme"])
    sign_up: SignUp | MISSING = Field(MISSING, description="Who may sign in by e-mail code.")
    code_length: int | MISSING | None = Field(
        MISSING, ge=5, le=10, description="null: as the deployment says.", examples=[6]
    )
    accept_development_keys: bool | MISSING = MISSING
    account_pages: bool | MISSING = Field(MISSING, description="Whether its users have pages of their own.")
    new_device_notices: bool | MISSING = Field(
        MISSING, description="Whether users who have such pages are mailed when a device signs in for the first time."
    )
    colour: str | MISSING | None = Field(
        MISSING, max_length=32, description="Of those pages; null: Gatepass's own.", examples=["#1a7f4b"]
    )
    refuse_app_keys: bool | MISSING = MISSING
    owner_id: UUID | MISSING | None = Field(
        MISSING, description="The user whom a desktop key without a player is for.", examples=[None]
    )


class CreateKey(Body):
    """A new API key. `environment` goes with a publishable key, and only with one."""

    kind: Kind = Field(examples=["publishable"])
    environment: Environment | None = Field(None, examples=["production"])


class ImportKey(CreateKey):
    """A key that another system issued, so that apps already shipped keep working."""

    key: str = Field(min_length=16, max_length=4096, examples=["pub_4fJk2QxV7nB1sT9w"])


class Profile(Body):
    """What is known of a user besides who they are."""

    nickname: Line | MISSING = Field(MISSING, min_length=1, max_length=64, examples=["ada"])
    picture: Line | MISSING | None = Field(MISSING, max_length=2048, examples=["https://cdn.example.com/ada.png"])
    roles: list[Annotated[Line, Field(min_length=1, max_length=64)]] | MISSING = Field(
        MISSING, max_length=32, examples=[["GAMER"]]
    )
    wallets: list[Annotated[Line, Field(min_length=1, max_length=128)]] | MISSING = Field(
        MISSING, max_length=32, examples=[["0x52908400098527886E0F7030069857D2E4169EE7"]]
    )
    test_user: bool | MISSING = Field(MISSING, description="Whether development keys may sign in as this user.")


class CreateUser(Profile):
    """A new user, known by a mailbox, by the customer's own id, or both."""

    email: str | None = Field(None, max_length=254, examples=["ada@example.com"])
    client_user_id: Line | None = Field(None, min_length=1, max_length=512, examples=["customer-4711"])
    email_verified: bool = False

    def profile(self) -> dict[str, Any]:
        """The members that any user has."""
        return {name: value for name, value in self.given().items() if name in Profile.model_fields}


class Ban(Body):
    """Why: shown to the user."""

    reason: Line = Field("", max_length=500, examples=["Chargeback"])


B = TypeVar("B", bound=Body)
_SAFE = {
    "bool_type", "enum", "greater_than_equal", "int_type", "json_invalid", "less_than_equal", "list_type",
    "literal_error", "missing", "model_type", "string_too_long", "string_too_short", "string_type", "too_long",
}  # fmt: skip
"""pydantic's problems whose message speaks of what is wanted, and of nothing that was sent."""


def parse(model: type[B], body: bytes) -> B:
    """Read *body* as *model*, as JSON whatever its content type; nothing at all is `{}`. Raises InputRefused."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    match problem["type"]:
        case "extra_forbidden":
            raise InputRefused("", f"has an unknown member; known are {', '.join(model.model_fields)}")
        case "json_invalid":
            raise InputRefused("", "is not JSON")
    field = str(problem["loc"][0]) if problem["loc"] else ""
    message = problem["msg"]
    raise InputRefused(
        field, f"is refused: {message[0].lower()}{message[1:]}" if problem["type"] in _SAFE else "is not acceptable"
    )


# Answers, made of what the core returns: the members of the same name.


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    @classmethod
    def of(cls, thing: object) -> Self:
        return cls.model_validate(thing)


class Problem(Answer):
    """What went wrong, and what to do (RFC 9457 section 3)."""

    status: int = Field(examples=[422])
    title: str = Field(examples=["Input not acceptable"])
    detail: str = Field(examples=["`name` is refused: field required; /docs shows what this route takes."])
    field: str | MISSING = Field(MISSING, description="The member or parameter at fault.", examples=["name"])


class Team(Answer):
    """One team. `code_length` null: as the deployment says."""

    id: UUID
    name: str = Field(examples=["Acme"])
    region: Region
    environment: TeamEnvironment
    sign_up: SignUp
    code_length: int | None = Field(examples=[6])
    accept_development_keys: bool
    account_pages: bool
    new_device_notices: bool
    colour: str | None = Field(examples=["#1a7f4b"])
    refuse_app_keys: bool
    owner_id: UUID | None
    created_at: Instant


class Teams(Answer):
    """Every team, oldest first."""

    teams: list[Team]


class Key(Answer):
    """One API key; `visible` is its beginning, to recognise it by."""

    id: UUID
    team_id: UUID
    kind: Kind
    environment: Environment | None
    visible: str = Field(examples=["pub_4fJk"])
    created_at: Instant
    revoked_at: Instant | None


class NewKey(Key):
    """The key, at the one moment it is known: keep it, it is not shown again."""

    key: str = Field(examples=["pub_4fJk2QxV7nB1sT9wZcY0aL3mR6uE8iHdPgOKvXbN"])


class Keys(Answer):
    """A team's keys, oldest first, revoked ones too."""

    keys: list[Key]


class User(Answer):
    """One account."""

    id: UUID
    team_id: UUID
    client_user_id: str | None = Field(examples=["customer-4711"])
    email: str | None = Field(examples=["ada@example.com"])
    email_verified: bool
    nickname: str = Field(examples=["ada"])
    picture: str | None = Field(examples=["https://cdn.example.com/ada.png"])
    roles: list[str] = Field(examples=[["GAMER"]])
    wallets: list[str]
    test_user: bool
    created_at: Instant
    banned_at: Instant | None
    ban_reason: str | None
    deleted_at: Instant | None = Field(description="Then its seven days of grace began.")


class Users(Answer):
    """A page of users, newest first; `total` counts all that match."""

    users: list[User]
    total: int = Field(examples=[1])


class Session(Answer):
    """One session. `expired` is open no more, though nobody ended it; `end_cause` says who did."""

    id: UUID
    team_id: UUID
    user_id: UUID
    state: Literal["open", "expired", "ended"]
    surface: sessions.Surface
    environment: str = Field(examples=["production"])
    proof: sessions.Proof
    opened_by: UUID | None = Field(description="The session that showed the QR value.")
    opened_at: Instant
    last_seen_at: Instant
    rotated_at: Instant
    generation: int = Field(description="How often it was refreshed.", examples=[12])
    idle_expires_at: Instant
    absolute_expires_at: Instant | None
    ended_at: Instant | None
    end_cause: sessions.Cause | None
    client_address: str | None = Field(examples=["192.0.2.1"])
    device_model: str | None = Field(examples=["Pixel 9"])
    device_id: str | None
    sdk: str | None

    @classmethod
    def at(cls, now: int, session: sessions.Session) -> Self:
        """*session* as it stands at *now* (ms)."""
        state = "ended" if session.ended_at is not None else "open" if session.is_open(now) else "expired"
        return cls.model_validate({**{name: getattr(session, name, None) for name in cls.model_fields}, "state": state})


class Sessions(Answer):
    """A user's sessions, newest first, ended ones too while they are kept."""

    sessions: list[Session]


class Ended(Answer):
    """How many sessions were open, and are no more."""

    ended: int = Field(examples=[2])


class Moment(Answer):
    """One thing that happened to a session."""

    at: Instant
    event: str = Field(examples=["session_ended"])
    words: str = Field(examples=["Ended: the device signed out."])


class Explanation(Answer):
    """Why the session is as it is, what that means and what to do; then its timeline, oldest first."""

    session: Session
    summary: str = Field(examples=["The device signed itself out, which is final and as asked."])
    timeline: list[Moment]

    @classmethod
    def at(cls, now: int, told: explain.Explanation) -> Self:
        """*told* as of *now* (ms)."""
        timeline = [Moment.of(moment) for moment in told.timeline]
        return cls(session=Session.at(now, told.session), summary=told.summary, timeline=timeline)


class AuditEvent(Answer):
    """One audit event: ids and closed words, never a secret."""

    id: UUID
    at: Instant
    event: audit.Event
    team_id: UUID | None
    user_id: UUID | None
    session_id: UUID | None
    detail: dict[str, str | int] = Field(examples=[{"cause": "signed_out"}])


class Events(Answer):
    """A page of events, newest first; ask again with `before` set to `next` until it is null."""

    events: list[AuditEvent]
    next: UUID | None


class Day(Answer):
    """What was counted on one day (UTC). A fact that is not there did not happen."""

    day: str = Field(pattern=r"^\d{4}-\d\d-\d\d$", examples=["2026-05-01"])
    counts: dict[Fact, int] = Field(examples=[{"sign_in.otp": 12, "refresh": 480}])

    @classmethod
    def of_counts(cls, day: int, counts: Mapping[Fact, int]) -> Self:
        """The day that begins at *day* (epoch ms)."""
        return cls(day=(_EPOCH + timedelta(milliseconds=day)).date().isoformat(), counts=dict(counts))


class Counts(Answer):
    """Days, oldest first, those left out on which nothing was counted."""

    days: list[Day]

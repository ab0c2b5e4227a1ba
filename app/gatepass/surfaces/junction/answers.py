"""The shapes of Junction's answers (contract junction, sections 4, 6.3, 8 and 10)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field

from gatepass.core.api_keys import ApiKey
from gatepass.core.users import User
from gatepass.surfaces.junction.wire import instant


class TimeZone(BaseModel):
    """A zone that somebody set by hand."""

    id: str = Field(examples=["Europe/Lisbon"])
    source_slug: Literal["manual"] = "manual"
    updated_at: str


class BirthDate(BaseModel):
    """A birth date that somebody set by hand."""

    value: str = Field(examples=["1990-04-12"])
    source_slug: Literal["manual"] = "manual"
    updated_at: str


class UserObject(BaseModel):
    """Section 4's user: every member always there, null where empty (C4)."""

    user_id: str
    team_id: str
    client_user_id: str
    created_on: str = Field(examples=["2026-05-01T09:30:00+00:00"])
    connected_sources: list[str] = Field(max_length=0)
    fallback_time_zone: TimeZone | None
    fallback_birth_date: BirthDate | None
    ingestion_start: str | None
    ingestion_end: str | None

    @classmethod
    def of(cls, user: User) -> Self:
        """Who came by e-mail goes by the user id."""
        zone, zone_at = user.fallback_time_zone, user.time_zone_changed_at
        birth, birth_at = user.fallback_birth_date, user.birth_date_changed_at
        return cls(
            user_id=str(user.id),
            team_id=str(user.team_id),
            client_user_id=user.client_user_id or str(user.id),
            created_on=instant(user.created_at),
            connected_sources=[],
            fallback_time_zone=None if zone is None else TimeZone(id=zone, updated_at=instant(zone_at or 0)),
            fallback_birth_date=None if birth is None else BirthDate(value=birth, updated_at=instant(birth_at or 0)),
            ingestion_start=user.ingestion_start,
            ingestion_end=user.ingestion_end,
        )


class UserPage(BaseModel):
    """J2: newest first, deleted ones left out; `total` counts them all."""

    users: list[UserObject]
    total: int
    offset: int
    limit: int


class Done(BaseModel):
    """It is done."""

    success: Literal[True] = True


class SignInToken(BaseModel):
    """J8: hand `sign_in_token` to the app; it opens one session."""

    user_id: str
    sign_in_token: str = Field(examples=["eyJwdWJsaWNfa2V5Ijoi…"])


class Providers(BaseModel):
    """J10: no data plane, no providers."""

    providers: list[str] = Field([], max_length=0)


class NotRefreshed(BaseModel):
    """J11, where no data plane is attached."""

    success: Literal[False] = False
    user_id: str
    error: Literal["user has no connected sources"] = "user has no connected sources"
    failed_sources: list[str] = Field([], max_length=0)


class SyncState(BaseModel):
    """J14: the SDK waits four hours and asks again."""

    status: Literal["paused"] = "paused"
    request_start_date: None = None
    request_end_date: None = None
    expires_in: int = 14400


class Nothing(BaseModel):
    """An empty object."""


class TokenAnswer(BaseModel):
    """Section 6.3: `expires_in` is a whole number of seconds; `issued_token_type` comes with an exchange only."""

    access_token: str
    refresh_token: str = Field(examples=["jrt_…"])
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int = Field(examples=[3600])
    issued_token_type: Literal["urn:ietf:params:oauth:token-type:access_token"] | None = None
    user_id: str


class TokenEnded(BaseModel):
    """What became of a sign-in or a session, for the SDK (section 6.5, F1 to F3)."""

    error_type: Literal["invalid_token", "reauthentication_required"]
    message: str


class TokenRefused(BaseModel):
    """RFC 6749 section 5.2, and `detail` for the SDK: an object where something ended, else text."""

    error: str | None = Field(None, examples=["invalid_grant"])
    error_description: str | None = None
    detail: TokenEnded | str


class TeamAccessToken(BaseModel):
    """A6: stands in for a team's key; `expires_in` seconds."""

    access_token: str
    expires_in: int = Field(examples=[600])


class TeamKey(BaseModel):
    """A6: one key; `label` is its beginning, to recognise it by."""

    id: str
    label: str = Field(examples=["sk_eu_4fJk2QxV"])
    team_id: str
    created_at: str = Field(examples=["2026-05-01T09:30:00+00:00"])

    @classmethod
    def of(cls, key: ApiKey) -> TeamKey:
        return cls(id=str(key.id), label=key.visible, team_id=str(key.team_id), created_at=instant(key.created_at))


class NewTeamKey(TeamKey):
    """A6: the key, at the one moment it is known."""

    value: str = Field(examples=["sk_eu_4fJk2QxV7nB1sT9wZcY0aL3mR6uE8iHdPgOKvXbN"])


class TeamKeys(BaseModel):
    """A6: the keys that open something."""

    team_api_keys: list[TeamKey]

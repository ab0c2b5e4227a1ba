"""The bytes of the OAuth endpoints, and what they say about themselves in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from gatepass.core.access_tokens import Bearer
from gatepass.core.errors import Refusal
from gatepass.core.schema import SECOND
from gatepass.core.sessions import Session
from gatepass.core.users import User
from gatepass.grants import ACCESS_TOKEN_TYPE, FORM, Tokens
from gatepass.surfaces.oauth.refusals import AT_RESOURCE, NO_STORE, spelling
from gatepass.wiring import Fault, PayloadTooLarge, Ready

SECURITY_SCHEMES = {
    "UserAccessToken": {"type": "http", "scheme": "bearer", "description": "A user's access token, from an exchange."},
    "SecretKey": {"type": "apiKey", "in": "header", "name": "X-Vital-API-Key", "description": "A team's secret key."},
}


def respond(members: dict[str, Any]) -> Response:
    """A 200 that nobody stores (RFC 6749 section 5.1)."""
    return Ready(200, to_json(members), _ALWAYS)


_ALWAYS = (
    *((name.encode(), value.encode()) for name, value in NO_STORE.items()),
    (b"content-type", b"application/json"),
)


# Requests, as the OpenAPI document shows them; forms are read by gatepass.grants.


class TokenForm(BaseModel):
    """Trade a sign-in token (`subject_token`) or a refresh token for tokens."""

    grant_type: Literal["urn:ietf:params:oauth:grant-type:token-exchange", "refresh_token"]
    subject_token: str | None = Field(None, description="With a token exchange: the sign-in token.")
    subject_token_type: Literal["urn:junction:sign-in-token"] | None = None
    refresh_token: str | None = Field(None, description="With `refresh_token`: the last one received.")


class OneToken(BaseModel):
    """Name a token; the hint changes nothing."""

    token: str
    token_type_hint: Literal["refresh_token", "access_token"] | None = None


# Answers.


class OAuthTokens(BaseModel):
    """Tokens (RFC 6749 section 5.1). `issued_token_type` only after an exchange (RFC 8693 section 2.2.1)."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    refresh_token: str
    scope: Literal["user"] = "user"
    issued_token_type: str | None = None
    user_id: str


class Introspected(BaseModel):
    """What a token is worth now (RFC 7662 section 2.2). Of one that is worth nothing, `active` is the only member."""

    active: bool
    scope: str | None = None
    client_id: str | None = None
    token_type: str | None = None
    sub: str | None = None
    sid: str | None = None
    team_id: str | None = None
    iss: str | None = None
    aud: str | None = None
    iat: int | None = None
    exp: int | None = None
    jti: str | None = None
    cnf: dict[str, str] | None = None


class OwnUser(BaseModel):
    """The user behind an access token; members without a value are left out."""

    sub: str
    team_id: str
    client_user_id: str
    email: str | None = None
    email_verified: bool | None = None


class OAuthError(BaseModel):
    """A refusal (RFC 6749 section 5.2)."""

    error: str
    error_description: str


SCHEMAS: tuple[type[BaseModel], ...] = (TokenForm, OneToken, OAuthError)


def tokens(answer: Tokens) -> Response:
    """The answer to a grant."""
    members: dict[str, Any] = {
        "access_token": answer.access.text,
        "token_type": "Bearer" if answer.grant.jkt is None else "DPoP",
        "expires_in": answer.expires_in,
        "refresh_token": answer.refresh,
        "scope": "user",
        "user_id": str(answer.grant.user_id),
    }
    if answer.exchanged:
        members["issued_token_type"] = ACCESS_TOKEN_TYPE
    return respond(members)


def user_info(user: User) -> Response:
    """The answer of `/userinfo`. A user who came by e-mail has its own id for a client_user_id (contract, section 4)."""
    members: dict[str, Any] = {
        "sub": str(user.id),
        "team_id": str(user.team_id),
        "client_user_id": user.client_user_id or str(user.id),
    }
    if user.email is not None:
        members |= {"email": user.email, "email_verified": user.email_verified}
    return respond(members)


INACTIVE: dict[str, Any] = {"active": False}


def access_token(bearer: Bearer) -> dict[str, Any]:
    """What introspection tells of a living access token: its own claims."""
    scheme = "Bearer" if bearer.session.jkt is None else "DPoP"
    return {"active": True, "token_type": scheme, **bearer.claims}


def refresh_token(session: Session, issuer: str) -> dict[str, Any]:
    """What introspection tells of a refresh token that would be taken now."""
    ends = [
        session.idle_expires_at,
        *([session.absolute_expires_at] if session.absolute_expires_at is not None else []),
    ]
    members: dict[str, Any] = {
        "active": True,
        "scope": "user",
        "iss": issuer,
        "sub": str(session.user_id),
        "sid": str(session.id),
        "team_id": str(session.team_id),
        "iat": session.rotated_at // SECOND,
        "exp": min(ends) // SECOND,
    }
    return members | ({"cnf": {"jkt": session.jkt}} if session.jkt is not None else {})


def documented(
    answer: type[BaseModel] | None,
    *refusals: type[Refusal],
    form: type[BaseModel] | None = None,
    security: str = "",
    at_resource: bool = False,
) -> dict[str, Any]:
    """Arguments for a route: its form, its answer, its credential, and what it refuses besides what every route does,
    spelled as an authorization server's or as a resource's.
    """
    extra: dict[str, Any] = {"security": [{security: []}] if security else []}
    if form is not None:
        refusals = (PayloadTooLarge, *refusals)
        schema = {"$ref": f"#/components/schemas/{form.__name__}"}
        extra["requestBody"] = {"required": True, "content": {FORM: {"schema": schema}}}
    by_status: dict[int, set[str]] = {}
    for refusal in (*refusals, Fault):
        status, error, _ = spelling(refusal, AT_RESOURCE) if at_resource else spelling(refusal)
        by_status.setdefault(status, set()).add(f"`{error}`")
    schema = {"$ref": "#/components/schemas/OAuthError"}
    responses: dict[int | str, dict[str, Any]] = {200: {"description": (answer.__doc__ if answer else None) or "Done."}}
    if answer is not None:
        responses[200]["model"] = answer
    for status, words in sorted(by_status.items()):
        content = {"application/json": {"schema": schema}}
        responses[status] = {"description": ", ".join(sorted(words)), "content": content}
    return {"responses": responses, "openapi_extra": extra}


def documented_bytes(media_type: str, *refusals: type[Refusal]) -> dict[str, Any]:
    """Arguments for a route that serves ready bytes to whoever does not have them yet, with no credential."""
    told = documented(None, *refusals)
    told["responses"][200]["content"] = {media_type: {"schema": {}}}
    told["responses"][304] = {"description": "The caller has it (`If-None-Match`)."}
    return {**told, "response_class": Response}

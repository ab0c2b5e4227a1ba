"""The bytes of the Firebase-compatible profile: numbers travel as strings here (contract junction, section 9)."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Response
from pydantic import BaseModel, Field

from gatepass.core import sign_in_jwt
from gatepass.core.access_tokens import Bearer
from gatepass.core.schema import SECOND
from gatepass.grants import FORM, FormRefused, Tokens, read_form

JSON = "application/json"


# Requests, as the OpenAPI document shows them.


class SignInWithCustomToken(BaseModel):
    """Exchange a sign-in token."""

    token: str = Field(description="The `user_token` inside a sign-in token.")
    return_secure_token: bool = Field(True, alias="returnSecureToken")
    tenant_id: str | None = Field(None, alias="tenantId")


class Lookup(BaseModel):
    """Read the account behind an ID token."""

    id_token: str = Field(alias="idToken")


class RefreshGrant(BaseModel):
    """Spend a refresh token."""

    grant_type: str = Field(examples=["refresh_token"])
    refresh_token: str


# A refusal, as the OpenAPI document shows it.


class GoogleReason(BaseModel):
    """Google's second telling of the message."""

    message: str
    domain: str
    reason: str


class GoogleError(BaseModel):
    """What clients go by is the message."""

    code: int
    message: str
    status: str
    errors: list[GoogleReason]


class GoogleRefusal(BaseModel):
    """A refusal in Google's form."""

    error: GoogleError


SCHEMAS: tuple[type[BaseModel], ...] = (SignInWithCustomToken, Lookup, RefreshGrant)


def read_json(body: bytes) -> dict[str, Any]:
    """The members of a JSON object, whatever the content type. Raises FormRefused."""
    try:
        members = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise FormRefused("the body is no JSON object")
    return members


def read_refresh(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields of a refresh: a form, or the JSON that Google's own mobile libraries send. Raises FormRefused."""
    if content_type.partition(";")[0].strip().lower() == FORM:
        return dict(read_form(content_type, body))
    members = read_json(body)
    return {
        "grant_type": members.get("grant_type", members.get("grantType")),
        "refresh_token": members.get("refresh_token", members.get("refreshToken")),
    }


def respond(members: dict[str, Any]) -> Response:
    """A 200 that nobody stores (C8)."""
    return Response(json.dumps(members, separators=(",", ":")), 200, {"cache-control": "no-store"}, JSON)


def signed_in(tokens: Tokens) -> Response:
    """The answer of `signInWithCustomToken`. A team's server makes its users, so none is ever new here."""
    return respond(
        {
            "kind": "identitytoolkit#VerifyCustomTokenResponse",
            "idToken": tokens.access.text,
            "refreshToken": tokens.refresh,
            "expiresIn": str(tokens.expires_in),
            "isNewUser": False,
        }
    )


def refreshed(tokens: Tokens) -> Response:
    """The answer of the token endpoint."""
    return respond(
        {
            "access_token": tokens.access.text,
            "id_token": tokens.access.text,
            "expires_in": str(tokens.expires_in),
            "token_type": "Bearer",
            "refresh_token": tokens.refresh,
            "user_id": str(tokens.grant.user_id),
            "project_id": sign_in_jwt.project_of(tokens.grant.environment, tokens.grant.region),
        }
    )


def account(bearer: Bearer) -> Response:
    """The answer of `lookup`: `validSince` in seconds, the other instants in ms."""
    user, session = bearer.user, bearer.session
    return respond(
        {
            "users": [
                {
                    "localId": str(user.id),
                    "tenantId": sign_in_jwt.tenant_of(user.team_id),
                    "validSince": str(user.created_at // SECOND),
                    "createdAt": str(user.created_at),
                    "lastLoginAt": str(session.opened_at),
                    "customAuth": True,
                }
            ]
        }
    )

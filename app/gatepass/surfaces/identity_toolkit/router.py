"""The three calls of the Firebase-compatible profile, with and without the host that leads an emulator's paths."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from gatepass import grants
from gatepass.core import access_tokens
from gatepass.core.access_tokens import Bearer
from gatepass.core.errors import (
    AccessTokenRefused,
    ProofRefused,
    RefreshRefused,
    Refusal,
    TooManyRequests,
    Unavailable,
    UserBanned,
)
from gatepass.core.signing_keys import Ring
from gatepass.core.unit import Unit
from gatepass.grants import FormRefused, GrantTypeUnsupported, TenantDiffers
from gatepass.surfaces.identity_toolkit import wire
from gatepass.surfaces.identity_toolkit.refusals import Missing, spelling
from gatepass.wiring import Fault, PayloadTooLarge, read_body, runtime_of

router = APIRouter(tags=["Firebase-compatible"])

SECURE_TOKEN = "/securetoken.googleapis.com/v1/token"
"""Where a bare `/v1/token` with a `key` in its query belongs."""
_HOST = "/identitytoolkit.googleapis.com"
_SIGN_IN = "/v1/accounts:signInWithCustomToken"
_LOOKUP = "/v1/accounts:lookup"


def _documented(model: type[BaseModel], *refusals: type[Refusal], media_type: str = wire.JSON) -> dict[str, Any]:
    """Arguments for a route: its body, and what it refuses besides what every route does."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    extra = {"security": [], "requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}
    words: dict[int, set[str]] = {}
    for refusal in (FormRefused, PayloadTooLarge, Fault, Unavailable, *refusals):
        status, message, _ = spelling(refusal)
        words.setdefault(status, set()).add(f"`{message}`")
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": ", ".join(sorted(said)), "model": wire.GoogleRefusal} for status, said in words.items()
    }
    return {"openapi_extra": extra, "responses": responses}


@router.post(_HOST + _SIGN_IN, **_documented(wire.SignInWithCustomToken, ProofRefused, TenantDiffers, TooManyRequests))
@router.post(_SIGN_IN, include_in_schema=False)
async def sign_in_with_custom_token(request: Request) -> Response:
    """Trade a sign-in token for a session. The `key` in the query is ignored."""
    members = wire.read_json(await read_body(request, grants.FORM_LIMIT))
    presented = _text(members, "token", "MISSING_CUSTOM_TOKEN")
    tenant = members.get("tenantId")
    runtime = runtime_of(request)
    return wire.signed_in(
        await grants.exchange(
            runtime, presented, runtime.caller(request), tenant=None if tenant is None else str(tenant)
        )
    )


@router.post(_HOST + _LOOKUP, **_documented(wire.Lookup, AccessTokenRefused))
@router.post(_LOOKUP, include_in_schema=False)
async def lookup(request: Request) -> Response:
    """The account behind an ID token."""
    presented = _text(wire.read_json(await read_body(request, grants.FORM_LIMIT)), "idToken", "MISSING_ID_TOKEN")
    runtime = runtime_of(request)
    keys = await runtime.keyring.verifiers(Ring.ACCESS)

    async def work(unit: Unit) -> Bearer:
        return await access_tokens.authenticate_user(unit, presented, keys)

    return wire.account(await runtime.read(work, caller=runtime.caller(request)))


@router.post(
    SECURE_TOKEN,
    **_documented(
        wire.RefreshGrant, RefreshRefused, UserBanned, GrantTypeUnsupported, TooManyRequests, media_type=grants.FORM
    ),
)
async def refresh(request: Request) -> Response:
    """Spend a refresh token. A bare `/v1/token` with a `key` in its query is the same."""
    fields = wire.read_refresh(request.headers.get("content-type", ""), await read_body(request, grants.FORM_LIMIT))
    if fields.get("grant_type") != grants.REFRESH_TOKEN:
        raise GrantTypeUnsupported("grant_type")
    presented = _text(fields, "refresh_token", "MISSING_REFRESH_TOKEN")
    runtime = runtime_of(request)
    return wire.refreshed(await grants.refresh(runtime, presented, runtime.caller(request)))


def _text(members: dict[str, Any], name: str, message: str) -> str:
    """The text of a member. Raises Missing where there is none."""
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise Missing(message)
    return value

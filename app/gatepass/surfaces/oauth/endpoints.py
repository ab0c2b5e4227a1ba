"""`/oauth/token`, `/oauth/revoke`, `/oauth/introspect` and `/userinfo`: parse, call, spell."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote_plus

from fastapi import APIRouter, Request, Response

from gatepass import grants
from gatepass.core import access_tokens, refresh_tokens, rotation, sessions
from gatepass.core.errors import (
    AccessTokenInvalid,
    AccessTokenRefused,
    ApiKeyUnknown,
    DpopRefused,
    ProofRefused,
    RefreshRefused,
    TooManyRequests,
    Unavailable,
    UserBanned,
)
from gatepass.core.sessions import Cause, Surface
from gatepass.core.signing_keys import Ring
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.grants import FormRefused, GrantTypeUnsupported
from gatepass.surfaces.oauth import wire
from gatepass.surfaces.oauth.refusals import CallerRefused, NoToken
from gatepass.surfaces.oauth.wire import documented
from gatepass.wiring import Runtime, first, read_body, runtime_of, sent

router = APIRouter()


async def _form(request: Request) -> dict[str, str]:
    """The request's form. Raises PayloadTooLarge, FormRefused."""
    return _fields(request, await read_body(request, grants.FORM_LIMIT))


def _fields(request: Request, body: bytes) -> dict[str, str]:
    return grants.read_form(first(request, b"content-type"), body)


@router.post(
    "/oauth/token",
    **documented(
        wire.OAuthTokens,
        FormRefused,
        GrantTypeUnsupported,
        ProofRefused,
        RefreshRefused,
        DpopRefused,
        TooManyRequests,
        Unavailable,
        form=wire.TokenForm,
    ),
)
async def token(request: Request) -> Response:
    """Exchange a sign-in token (RFC 8693) or refresh (RFC 6749 section 6), as a public client.

    A `DPoP` proof with the exchange binds the session to its key (RFC 9449 section 5): each refresh then needs a proof by
    the same key and returns the same refresh token.
    """
    form = await _form(request)
    if form.get("requested_token_type", grants.ACCESS_TOKEN_TYPE) != grants.ACCESS_TOKEN_TYPE:
        raise FormRefused(f"requested_token_type can only be {grants.ACCESS_TOKEN_TYPE}")
    if "actor_token" in form:
        raise FormRefused("actor_token is not taken here")
    runtime = runtime_of(request)
    return wire.tokens(await grants.answer(runtime, form, runtime.caller(request), proof=runtime.proof(request)))


@router.post("/oauth/revoke", **documented(None, FormRefused, Unavailable, form=wire.OneToken))
async def revoke(request: Request) -> Response:
    """Sign out: end the session that a refresh or access token belongs to (RFC 7009). Anything else gets a 200 too."""
    presented = grants.required(await _form(request), "token")
    runtime = runtime_of(request)
    keys = await runtime.keyring.verifiers(Ring.ACCESS) if "." in presented else {}

    async def work(unit: Unit) -> None:
        if await rotation.revoke(unit, presented, grants.AUDIENCE):
            return
        try:
            bearer = await access_tokens.inspect(unit, presented, keys)
        except (AccessTokenRefused, UserBanned):
            return
        await sessions.end(unit, bearer.session.id, Cause.SIGNED_OUT)

    await runtime.transact(work, caller=runtime.caller(request))
    return wire.respond({})


@router.post(
    "/oauth/introspect",
    **documented(wire.Introspected, FormRefused, CallerRefused, Unavailable, form=wire.OneToken, security="SecretKey"),
)
async def introspect(request: Request) -> Response:
    """What a token of the team is worth now (RFC 7662).

    The secret key comes in `X-Vital-API-Key`, as a Bearer token, or as the password of Basic. Seeing an access token
    proves to the server that it arrived, as a call with it would.
    """
    body = await read_body(request, grants.FORM_LIMIT)
    runtime = runtime_of(request)
    scheme, key = _presented_key(request)
    try:
        _, team = await runtime.team_keys.named_by(key)
    except ApiKeyUnknown:
        raise CallerRefused(scheme) from None
    return wire.respond(await _worth(runtime, grants.required(_fields(request, body), "token"), team))


def _presented_key(request: Request) -> tuple[str, str | None]:
    """The scheme of the Authorization header, lower case, and the key as presented; `X-Vital-API-Key` wins."""
    named = sent(request, b"x-vital-api-key")
    headers = sent(request, b"authorization")
    scheme, _, credentials = (headers[0] if len(headers) == 1 else "").partition(" ")
    scheme, credentials = scheme.lower(), credentials.strip()
    if named:
        return scheme, named[0] if len(named) == 1 else None
    if scheme == "bearer":
        return scheme, credentials
    if scheme != "basic":
        return scheme, None
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode("ascii").partition(":")
    except ValueError:
        return scheme, None
    return scheme, unquote_plus(password or user)


async def _worth(runtime: Runtime, presented: str, team: Team) -> dict[str, Any]:
    try:
        return wire.access_token(await runtime.inspect(presented, team_id=team.id))
    except (AccessTokenRefused, UserBanned):
        pass
    try:
        token = refresh_tokens.parse(runtime.secret, presented)
    except RefreshRefused:
        return wire.INACTIVE

    async def work(unit: Unit) -> dict[str, Any]:
        session = await sessions.find(unit, token.session_id)
        if session is None or session.team_id != team.id or session.surface is not Surface.JUNCTION:
            return wire.INACTIVE
        if not session.is_open(unit.now) or token.generation != session.generation:
            return wire.INACTIVE
        return wire.refresh_token(session, unit.policy.issuer)

    return await runtime.read(work)


@router.get(
    "/userinfo",
    **documented(
        wire.OwnUser, AccessTokenRefused, DpopRefused, Unavailable, security="UserAccessToken", at_resource=True
    ),
)
async def userinfo(request: Request) -> Response:
    """The user behind an access token of its own. A bound one comes with the scheme `DPoP` and a proof (RFC 9449, 7)."""
    runtime = runtime_of(request)
    scheme, presented = _presented_token(request)
    proof = runtime.proof(request) if scheme == "dpop" else None
    bearer = await runtime.user_bearer(presented, proof=proof, caller=runtime.caller(request))
    if scheme == "dpop" and bearer.session.jkt is None:
        raise AccessTokenInvalid("bound to no key, and presented as if it were")
    return wire.user_info(bearer.user)


def _presented_token(request: Request) -> tuple[str, str]:
    """The scheme, lower case, and the access token. Raises NoToken."""
    headers = sent(request, b"authorization")
    scheme, _, token = (headers[0] if len(headers) == 1 else "").partition(" ")
    if scheme.lower() not in ("bearer", "dpop"):
        raise NoToken("no access token")
    return scheme.lower(), token.strip()

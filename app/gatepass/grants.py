"""The token endpoint's work, below its spellings: a form becomes a grant, a grant becomes tokens.

Junction's `/v1/token`, OAuth's `/oauth/token` and the Firebase profile share it, because they share sessions: what one
opened another may refresh. They differ in words only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from gatepass.core import limits, sign_in_jwt, sign_in_tokens
from gatepass.core.access_tokens import AccessToken
from gatepass.core.dpop import Request as Proof
from gatepass.core.dpop import prove
from gatepass.core.errors import InputRefused, NotFound, SignInTokenInvalid, Unavailable
from gatepass.core.facts import Fact
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.schema import SECOND
from gatepass.core.sessions import Audience, Grant, Surface
from gatepass.core.sign_in_jwt import SignInToken
from gatepass.core.signing_keys import Ring
from gatepass.core.unit import Caller, Unit
from gatepass.wiring import Runtime

FORM_LIMIT = 16 * 1024
FORM = "application/x-www-form-urlencoded"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
REFRESH_TOKEN = "refresh_token"
SIGN_IN_TOKEN_TYPE = "urn:junction:sign-in-token"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"

AUDIENCE = Audience(Surface.JUNCTION)
"""Where the callers of every spelling stand."""
ANSWER_WITHIN = 8.0
"""Seconds: one SDK waits ten for an answer (contract junction, E5)."""


class FormRefused(InputRefused):
    """The form cannot be read: *why* says what is wrong with which field, never its value (RFC 6749 section 5.2)."""

    def __init__(self, why: str) -> None:
        super().__init__(why=why)


class GrantTypeUnsupported(InputRefused):
    """A `grant_type` that is not served here."""


class TenantDiffers(SignInTokenInvalid):
    """A good sign-in token, presented for another tenant than it names."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a grant is answered with. *exchanged* tells an exchange from a refresh (RFC 8693 section 2.2.1)."""

    grant: Grant
    access: AccessToken
    refresh: str
    exchanged: bool

    def __repr__(self) -> str:
        return f"Tokens({self.grant!r})"

    @property
    def expires_in(self) -> int:
        """Whole seconds."""
        return self.access.life // SECOND


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a form. Raises FormRefused for another content type, a repeated field, or bytes that are no text."""
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise FormRefused(f"the content type must be {FORM}")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=50
        )
    except ValueError:
        raise FormRefused("the body is not a form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise FormRefused("a field is repeated")
    return fields


def required(fields: dict[str, str], name: str) -> str:
    """The value of a field that must be there. Raises FormRefused."""
    if not fields.get(name):
        raise FormRefused(f"{name} is missing or empty")
    return fields[name]


async def answer(runtime: Runtime, fields: dict[str, str], caller: Caller, *, proof: Proof | None = None) -> Tokens:
    """Serve one form: a sign-in token's exchange (RFC 8693) or a refresh (RFC 6749 section 6).

    Raises FormRefused, GrantTypeUnsupported, ProofRefused, RefreshRefused, UserBanned, DpopRefused, TooManyRequests,
    Unavailable.
    """
    grant_type = required(fields, "grant_type")
    if grant_type == TOKEN_EXCHANGE:
        if required(fields, "subject_token_type") != SIGN_IN_TOKEN_TYPE:
            raise FormRefused(f"subject_token_type must be {SIGN_IN_TOKEN_TYPE}")
        return await exchange(runtime, required(fields, "subject_token"), caller, proof=proof)
    if grant_type == REFRESH_TOKEN:
        return await refresh(runtime, required(fields, REFRESH_TOKEN), caller, proof=proof)
    raise GrantTypeUnsupported("grant_type")


async def exchange(
    runtime: Runtime, presented: str, caller: Caller, *, proof: Proof | None = None, tenant: str | None = None
) -> Tokens:
    """Trade a sign-in token, or the blob around it, for its session; a *proof* binds it (RFC 9449 section 5).

    Raises SignInTokenInvalid, TenantDiffers, SignInTokenUsed, DpopRefused, TooManyRequests, Unavailable.
    """
    token = await verified(runtime, presented)
    if tenant is not None and tenant != token.tenant:
        raise TenantDiffers("another tenant")

    async def work(unit: Unit) -> Grant:
        await limits.spend(unit, sign_in_tokens.budget_of(unit.policy, token.team_id, unit.caller))
        jkt = await prove(unit, proof) if proof is not None else None
        return await sign_in_tokens.redeem(unit, token, jkt=jkt)

    async def granting() -> Grant:
        if proof is None and (first := await _redeem_first(runtime, token, caller)) is not None:
            return first
        return await runtime.transact(work, caller=caller)

    return await _sign(runtime, granting(), exchanged=True)


async def _redeem_first(runtime: Runtime, token: SignInToken, caller: Caller) -> Grant | None:
    """The short way, shared with whoever else exchanges right now; None for whatever needs judging."""
    try:
        team = await runtime.teams.named_by(token.team_id)
    except NotFound:
        return None
    asked = sign_in_tokens.redemption(
        runtime.mint, runtime.policy, runtime.secret, runtime.clock.now(), token, team, caller
    )
    if asked is None or (grant := await runtime.hot.redeem(asked)) is None:
        return None
    runtime.tally.count(Fact.SIGN_IN_BY_TOKEN, grant.team_id, grant.issued_at)
    return grant


async def verified(runtime: Runtime, presented: str) -> SignInToken:
    """The sign-in token in *presented*, checked with the keys of the team it names. Raises SignInTokenInvalid."""
    unverified = sign_in_jwt.parse(presented)
    keys = await runtime.keyring.verifiers(Ring.SIGN_IN, unverified.team_id)
    return sign_in_jwt.verify(unverified, keys, runtime.clock.now())


async def refresh(runtime: Runtime, presented: str, caller: Caller, *, proof: Proof | None = None) -> Tokens:
    """Spend a refresh token. Raises RefreshRefused, UserBanned, DpopRefused, TooManyRequests, Unavailable."""

    return await _sign(runtime, runtime.rotate(presented, AUDIENCE, caller=caller, proof=proof), exchanged=False)


async def _sign(runtime: Runtime, granting: Awaitable[Grant], *, exchanged: bool) -> Tokens:
    """Await the commit and sign what it granted, in time. A commit that is cut off is a lost answer, which costs nothing.

    Raises Unavailable.
    """
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            grant = await granting
            access = runtime.signer.junction(grant, await runtime.keyring.signer(Ring.ACCESS))
    except TimeoutError:
        raise Unavailable("no answer in time") from None
    refresh_token = RefreshToken(grant.session_id, grant.generation).jrt(runtime.secret)
    return Tokens(grant, access, refresh_token, exchanged)

"""Any state at once, over the control plane: what was minted, as its client would hold it."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body

from gatepass.core import qr, sign_in_jwt, teams
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.schema import SECOND
from gatepass.core.sessions import Grant, Surface
from gatepass.core.signing_keys import Ring
from gatepass.core.unit import Unit
from gatepass.surfaces.testing import minting, wire
from gatepass.wiring import InRuntime, Runtime

router = APIRouter(prefix="/worlds/{team_id}")

MintUser = Annotated[wire.MintUser, Body(default_factory=wire.MintUser)]
MintSession = Annotated[wire.MintSession, Body(default_factory=wire.MintSession)]
MintSignInToken = Annotated[wire.MintSignInToken, Body(default_factory=wire.MintSignInToken)]
MintQr = Annotated[wire.MintQr, Body(default_factory=wire.MintQr)]


@router.post("/users", status_code=201)
async def mint_user(team_id: UUID, body: MintUser, runtime: InRuntime) -> wire.User:
    """An account, banned or deleted where asked for."""

    async def work(unit: Unit) -> wire.User:
        return await minting.mint_user(unit, await teams.get(unit, team_id), body)

    return await runtime.transact(work)


@router.post("/sessions", status_code=201)
async def mint_session(team_id: UUID, body: MintSession, runtime: InRuntime) -> wire.Session:
    """A session's tokens: live, expired, spent, or of a session that ended."""

    async def work(unit: Unit) -> Grant:
        return await minting.mint_session(unit, await teams.get(unit, team_id), body)

    return await _session(runtime, await runtime.transact(work))


@router.post("/sign-in-tokens", status_code=201)
async def mint_sign_in_token(team_id: UUID, body: MintSignInToken, runtime: InRuntime) -> wire.SignInToken:
    """A sign-in token: live, expired or used."""

    async def work(unit: Unit) -> sign_in_jwt.Issued:
        return await minting.mint_sign_in_token(unit, await teams.get(unit, team_id), body)

    issued = await runtime.transact(work)
    key = await runtime.keyring.signer(Ring.SIGN_IN, team_id)
    user_token = await asyncio.to_thread(sign_in_jwt.sign, issued, key)
    return wire.SignInToken(user_id=issued.user_id, sign_in_token=sign_in_jwt.wrap(issued.team, user_token))


@router.post("/qr", status_code=201)
async def mint_qr(team_id: UUID, body: MintQr, runtime: InRuntime) -> wire.Qr:
    """A QR value: pending, expired or used."""

    async def work(unit: Unit) -> minting.MintedQr:
        return await minting.mint_qr(unit, await teams.get(unit, team_id), body)

    minted = await runtime.transact(work)
    shown = minted.shown
    return wire.Qr(
        user_id=shown.user_id,
        qr_id=shown.id,
        qr_value=f"{qr.PREFIX}{shown.value}",
        expires_at=shown.expires_at,
        shown_by=await _session(runtime, minted.shown_by),
    )


async def _session(runtime: Runtime, grant: Grant) -> wire.Session:
    """What the app holds; signs."""
    token = RefreshToken(grant.session_id, grant.generation)
    if grant.surface is Surface.ELIXIR:
        access, refresh = runtime.signer.elixir(grant), token.hex(runtime.secret)
    else:
        access = runtime.signer.junction(grant, await runtime.keyring.signer(Ring.ACCESS))
        refresh = token.jrt(runtime.secret)
    return wire.Session(
        user_id=grant.user_id,
        session_id=grant.session_id,
        access_token=access.text,
        refresh_token=refresh,
        expires_at=access.expires_at,
        expires_in=access.life // SECOND,
    )

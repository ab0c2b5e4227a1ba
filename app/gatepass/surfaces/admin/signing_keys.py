"""Signing keys, by the admin API: the deployment's ring for access tokens, and each team's for sign-in tokens."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from gatepass.core import signing_keys, teams
from gatepass.core.errors import InputRefused, NotFound
from gatepass.core.signing_keys import DEPLOYMENT, Listed, Ring, State
from gatepass.surfaces.admin import wire
from gatepass.surfaces.admin.access import body_of
from gatepass.surfaces.admin.documentation import documented
from gatepass.wiring import InRuntime, Runtime

router = APIRouter(prefix="/signing-keys", tags=["Admin: signing keys"])

NO_TEAM = NotFound("team")


class RotateSigningKeys(wire.Body):
    """Which ring gets a new key. The access ring is the deployment's, a sign-in ring is a team's."""

    ring: Literal["access", "sign-in"] = "access"
    team_id: UUID | None = Field(None, description="With `sign-in`, and only with it.")
    at_once: bool = Field(False, description="Sign with it in two seconds instead of ten minutes.")


class SigningKey(wire.Answer):
    """One key, without its private half. `team_id` null: the deployment's."""

    kid: str = Field(examples=["a1b2c3d4e5f60718"])
    ring: Literal["access", "sign-in"]
    team_id: UUID | None
    state: State
    created_at: wire.Instant
    activates_at: wire.Instant
    verifies_until: wire.Instant | None

    @classmethod
    def of_key(cls, key: Listed) -> SigningKey:
        return cls(
            kid=key.kid,
            ring="access" if key.ring is Ring.ACCESS else "sign-in",
            team_id=None if key.scope == DEPLOYMENT else key.scope,
            state=key.state,
            created_at=key.created_at,
            activates_at=key.activates_at,
            verifies_until=key.verifies_until,
        )


class SigningKeys(wire.Answer):
    """Keys, oldest first in each ring; those that verify nothing any more too."""

    signing_keys: list[SigningKey]


@router.get("", **documented(SigningKeys, NO_TEAM))
async def list_signing_keys(runtime: InRuntime, team_id: UUID | None = None) -> SigningKeys:
    """Every signing key, or those of one team."""
    return await _listed(runtime, team_id)


@router.post("/rotate", **documented(SigningKeys, NO_TEAM, body=RotateSigningKeys, status=201))
async def rotate_signing_keys(
    body: Annotated[RotateSigningKeys, Depends(body_of(RotateSigningKeys))], runtime: InRuntime
) -> SigningKeys:
    """Publish a new key for a ring; the answer is the ring's whole scope.

    It signs ten minutes from now, when every cached JWKS has it. The key before verifies until its last token has died.
    """
    ring = Ring.ACCESS if body.ring == "access" else Ring.SIGN_IN
    if (ring is Ring.SIGN_IN) != (body.team_id is not None):
        raise InputRefused("team_id", "goes with the ring sign-in, and only with it")
    if (team_id := body.team_id) is not None:
        await runtime.read(lambda unit: teams.get(unit, team_id))
    await runtime.keyring.rotate(ring, team_id or DEPLOYMENT, at_once=body.at_once)
    return await _listed(runtime, team_id or DEPLOYMENT)


async def _listed(runtime: Runtime, scope: UUID | None) -> SigningKeys:
    if scope not in (None, DEPLOYMENT):
        await runtime.read(lambda unit: teams.get(unit, scope))
    keys = await runtime.read(lambda unit: signing_keys.list_all(unit, scope))
    return SigningKeys(signing_keys=[SigningKey.of_key(key) for key in keys])

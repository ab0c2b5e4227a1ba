"""What a team's keys do, by the admin API: the meter of those inside apps, and the token that stands in for one."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from gatepass.core import app_keys, teams
from gatepass.core.errors import NotFound
from gatepass.core.schema import SECOND
from gatepass.core.signing_keys import Ring
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.surfaces.admin import wire
from gatepass.surfaces.admin.documentation import documented
from gatepass.wiring import InRuntime

router = APIRouter(prefix="/teams/{team_id}", tags=["Admin: keys"])

NO_TEAM = NotFound("team")


class AppKeyCalls(wire.Answer):
    """Calls of one user's app, with one SDK version. `user_id` null: calls that named nobody."""

    user_id: UUID | None
    sdk: str = Field(examples=["ios 4.1.2"])
    key_id: UUID
    visible: str = Field(description="How the key begins that came last.", examples=["sk_eu_4fJk2QxV"])
    calls: int = Field(examples=[12])
    first_at: wire.Instant
    last_at: wire.Instant


class KeysInApps(wire.Answer):
    """Who still calls with a key from inside an app, latest first. `apps` counts users, those listed or not."""

    apps: int = Field(examples=[3])
    refuse_app_keys: bool
    verdict: str = Field(examples=["3 apps still carry a key; refuse_app_keys is off"])
    calls: list[AppKeyCalls]


class TeamAccessToken(wire.Answer):
    """A bearer token for the Junction dialect, good for everything in the team, for ten minutes."""

    access_token: str = Field(examples=["eyJhbGciOiJFUzI1NiJ9.eyJzY29wZSI6InRlYW0ifQ.c2lnbmF0dXJl"])
    expires_in: int = Field(description="Seconds.", examples=[600])


@router.get("/keys/in-apps", **documented(KeysInApps, NO_TEAM))
async def list_keys_in_apps(
    team_id: UUID,
    runtime: InRuntime,
    since: Annotated[AwareDatetime | None, Query(description="Only apps that called since then.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> KeysInApps:
    """The migration meter: which apps carry a secret key instead of a sign-in token, per user and SDK version."""
    ms = int(since.timestamp() * SECOND) if since is not None else 0
    meter = await runtime.read(lambda unit: app_keys.read_meter(unit, team_id, since=ms, limit=limit))
    return KeysInApps(
        apps=meter.apps,
        refuse_app_keys=meter.refused,
        verdict=meter.verdict,
        calls=[AppKeyCalls.of(one) for one in meter.calls],
    )


@router.post("/access_tokens", **documented(TeamAccessToken, NO_TEAM, status=201))
async def create_access_token(team_id: UUID, runtime: InRuntime) -> TeamAccessToken:
    """Make a token that stands in for a secret key of the team, for ten minutes. It dies with the team, not before."""

    async def work(unit: Unit) -> tuple[Team, int]:
        return await teams.get(unit, team_id), unit.now

    team, now = await runtime.read(work)
    token = runtime.signer.team(team, await runtime.keyring.signer(Ring.ACCESS), now)
    return TeamAccessToken(access_token=token.text, expires_in=token.life // SECOND)

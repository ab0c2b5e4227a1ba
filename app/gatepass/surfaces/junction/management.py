"""The vendor's management calls, over the same verbs as the admin API (contract junction, A6).

The management key is the deployment's admin token. There is one organisation, so its id may be anything.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from gatepass.core import api_keys, teams
from gatepass.core.api_keys import ApiKey, Kind, NewApiKey
from gatepass.core.errors import NotFound
from gatepass.core.schema import SECOND
from gatepass.core.signing_keys import Ring
from gatepass.core.teams import Region, Team, TeamEnvironment
from gatepass.core.unit import Unit
from gatepass.surfaces.junction import answers, wire
from gatepass.surfaces.junction.documentation import documented
from gatepass.surfaces.junction.refusals import ManagementKeyRefused
from gatepass.wiring import Runtime, only, read_body, runtime_of, sent

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
router = APIRouter(prefix="/v1/org/{org}", tags=["Junction: management"])


class Management:
    """One authenticated request."""

    def __init__(self, request: Request, runtime: Runtime, body: bytes) -> None:
        self.request, self.runtime, self.body = request, runtime, body

    async def transact(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        return await self.runtime.transact(work, caller=self.runtime.caller(self.request))


async def _managed(request: Request) -> Management:
    """Let only the bearer of the admin token on, its body read. Raises PayloadTooLarge, ManagementKeyRefused."""
    runtime = runtime_of(request)
    body = await read_body(request, wire.BODY_LIMIT)
    expected = runtime.settings.admin_token
    presented = only(sent(request, b"x-management-key")) or ""
    if expected is None or not expected.get_secret_value():
        raise ManagementKeyRefused("the deployment has set no admin token")
    if not hmac.compare_digest(presented.encode("latin-1"), expected.get_secret_value().encode()):
        raise ManagementKeyRefused("not the admin token")
    return Management(request, runtime, body)


InManagement = Annotated[Management, Depends(_managed)]


@router.post("/team/{team_id}/create_api_access_token", **documented(answers.TeamAccessToken, management=True))
async def create_api_access_token(call: InManagement, org: str, team_id: str) -> Response:
    """A bearer token that stands in for a team's key for ten minutes."""
    this = wire.id_in(team_id, name="team_id")

    async def work(unit: Unit) -> tuple[Team, int]:
        return await teams.get(unit, this), unit.now

    team, now = await call.runtime.read(work)
    token = call.runtime.signer.team(team, await call.runtime.keyring.signer(Ring.ACCESS), now)
    return wire.respond(200, answers.TeamAccessToken(access_token=token.text, expires_in=token.life // SECOND))


@router.get("/team_api_keys/{env}/{region}", **documented(answers.TeamKeys, management=True, query=wire.OfTeam))
async def list_team_api_keys(call: InManagement, org: str, env: str, region: str) -> Response:
    """The living keys of the teams of that environment and region, or of one of them."""
    where = _place(env, region)
    wanted = wire.parse_query(wire.OfTeam, call.request.query_params).team_id

    async def work(unit: Unit) -> list[ApiKey]:
        if wanted is not None:
            listed = [await _team(unit, wanted, where)]
        else:
            listed = [team for team in await teams.list_all(unit) if (team.environment, team.region) == where]
        return [key for team in listed for key in await api_keys.list_keys(unit, team.id)]

    keys = [key for key in await call.runtime.read(work) if key.kind is Kind.SECRET and key.revoked_at is None]
    return wire.respond(200, answers.TeamKeys(team_api_keys=[answers.TeamKey.of(key) for key in keys]))


@router.post(
    "/team_api_keys/{env}/{region}",
    **documented(answers.NewTeamKey, NotFound, management=True, body=wire.CreateTeamKey),
)
async def create_team_api_key(call: InManagement, org: str, env: str, region: str) -> Response:
    """Make a key of a team. `value` is shown this once."""
    where = _place(env, region)
    body = wire.parse(wire.CreateTeamKey, call.body)

    async def work(unit: Unit) -> NewApiKey:
        team = await _team(unit, body.team_id, where)
        return await api_keys.create(unit, team.id, Kind.SECRET)

    new = await call.transact(work)
    return wire.respond(200, answers.NewTeamKey(**answers.TeamKey.of(new.stored).model_dump(), value=new.text))


@router.delete("/team_api_keys/{env}/{region}", **documented(answers.Done, NotFound, management=True, query=wire.KeyId))
async def delete_team_api_key(call: InManagement, org: str, env: str, region: str) -> Response:
    """Revoke a key, named in the query or in a JSON body: from now on it opens nothing."""
    where = _place(env, region)
    query = call.request.query_params
    named = wire.parse_query(wire.KeyId, query) if "key_id" in query else wire.parse(wire.KeyId, call.body)
    key_id = wire.id_in(named.key_id, "query", "key_id")

    async def work(unit: Unit) -> None:
        revoked = await api_keys.revoke(unit, key_id)
        await _team(unit, str(revoked.team_id), where)
        if revoked.kind is not Kind.SECRET:
            raise NotFound("key")

    await call.transact(work)
    return wire.respond(200, answers.Done())


def _place(env: str, region: str) -> tuple[TeamEnvironment, Region]:
    return _one_of(TeamEnvironment, env, "env"), _one_of(Region, region, "region")


def _one_of(kind: type[E], presented: str, name: str) -> E:
    try:
        return kind(presented)
    except ValueError:
        words = ", ".join(kind)
        raise wire.BodyRefused(wire.problem("enum", f"Input should be one of {words}", "path", name)) from None


async def _team(unit: Unit, team_id: str, where: tuple[TeamEnvironment, Region]) -> Team:
    """The team of that id, if it is there. Raises NotFound."""
    team = await teams.get(unit, wire.id_in(team_id, "body", "team_id"))
    if (team.environment, team.region) != where:
        raise NotFound("team")
    return team

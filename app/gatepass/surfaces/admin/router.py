"""Routes under /admin/v1: parse, call, spell.

Every id is looked up within the team in the path, so what another team owns answers as what does not exist.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from gatepass.core import api_keys, sessions, teams, user_listing, users
from gatepass.core.addresses import Address
from gatepass.core.errors import Conflict, InputRefused, NotFound
from gatepass.core.explain import explain
from gatepass.core.sessions import Cause
from gatepass.core.unit import Unit
from gatepass.surfaces.admin import wire
from gatepass.surfaces.admin.access import authorised, body_of
from gatepass.surfaces.admin.documentation import documented
from gatepass.wiring import InRuntime

router = APIRouter(prefix="/admin/v1", dependencies=[Depends(authorised)])

NO_TEAM, NO_KEY, NO_USER, NO_SESSION = NotFound("team"), NotFound("key"), NotFound("user"), NotFound("session")
_TEAM = "/teams/{team_id}"
_USER = f"{_TEAM}/users/{{user_id}}"
_SESSION = f"{_TEAM}/sessions/{{session_id}}"

Limit = Annotated[int, Query(ge=1, le=500)]


# Teams.


@router.get("/teams", tags=["Admin: teams"], **documented(wire.Teams))
async def list_teams(runtime: InRuntime) -> wire.Teams:
    """Every team, oldest first."""
    return wire.Teams(teams=[wire.Team.of(team) for team in await runtime.read(teams.list_all)])


@router.post("/teams", tags=["Admin: teams"], **documented(wire.Team, body=wire.CreateTeam, status=201))
async def create_team(
    body: Annotated[wire.CreateTeam, Depends(body_of(wire.CreateTeam))], runtime: InRuntime
) -> wire.Team:
    """Make a team: a world with its own users, keys and settings."""
    return wire.Team.of(
        await runtime.transact(
            lambda unit: teams.create(unit, body.name, region=body.region, environment=body.environment)
        )
    )


@router.get(_TEAM, tags=["Admin: teams"], **documented(wire.Team, NO_TEAM))
async def read_team(team_id: UUID, runtime: InRuntime) -> wire.Team:
    """One team and its settings."""
    return wire.Team.of(await runtime.read(lambda unit: teams.get(unit, team_id)))


@router.patch(_TEAM, tags=["Admin: teams"], **documented(wire.Team, NO_TEAM, body=wire.ChangeTeam))
async def change_team(
    team_id: UUID, body: Annotated[wire.ChangeTeam, Depends(body_of(wire.ChangeTeam))], runtime: InRuntime
) -> wire.Team:
    """Change a team's name or settings; what is left out stays."""

    async def work(unit: Unit) -> teams.Team:
        changes = body.given()
        owner_id = changes.get("owner_id")
        if owner_id is not None and await users.find(unit, team_id, owner_id) is None:
            await teams.get(unit, team_id)
            raise InputRefused("owner_id", "names no user of this team")
        return await teams.change(unit, team_id, **changes)

    return wire.Team.of(await runtime.transact(work))


# Keys.


@router.get(f"{_TEAM}/keys", tags=["Admin: keys"], **documented(wire.Keys, NO_TEAM))
async def list_keys(team_id: UUID, runtime: InRuntime) -> wire.Keys:
    """A team's keys, revoked ones too; never their text."""
    keys = await runtime.read(lambda unit: api_keys.list_keys(unit, team_id))
    return wire.Keys(keys=[wire.Key.of(key) for key in keys])


@router.post(f"{_TEAM}/keys", tags=["Admin: keys"], **documented(wire.NewKey, NO_TEAM, body=wire.CreateKey, status=201))
async def create_key(
    team_id: UUID, body: Annotated[wire.CreateKey, Depends(body_of(wire.CreateKey))], runtime: InRuntime
) -> wire.NewKey:
    """Make a key. This answer is the only one that ever shows it."""
    new = await runtime.transact(lambda unit: api_keys.create(unit, team_id, body.kind, body.environment))
    return wire.NewKey(**wire.Key.of(new.stored).model_dump(), key=new.text)


@router.post(
    f"{_TEAM}/keys/import",
    tags=["Admin: keys"],
    **documented(wire.Key, NO_TEAM, Conflict("this key is known already"), body=wire.ImportKey, status=201),
)
async def import_key(
    team_id: UUID, body: Annotated[wire.ImportKey, Depends(body_of(wire.ImportKey))], runtime: InRuntime
) -> wire.Key:
    """Take over a key that another system issued, so that apps already shipped keep working."""
    return wire.Key.of(
        await runtime.transact(lambda unit: api_keys.adopt(unit, team_id, body.kind, body.environment, body.key))
    )


@router.delete(f"{_TEAM}/keys/{{key_id}}", tags=["Admin: keys"], **documented(wire.Key, NO_KEY))
async def revoke_key(team_id: UUID, key_id: UUID, runtime: InRuntime) -> wire.Key:
    """Revoke a key: from this answer on it opens nothing. Sessions stay. Revoking twice is the same as once."""
    return wire.Key.of(await runtime.transact(lambda unit: api_keys.revoke(unit, key_id, team_id=team_id)))


# Users.


@router.get(f"{_TEAM}/users", tags=["Admin: users"], **documented(wire.Users, NO_TEAM))
async def list_users(
    team_id: UUID,
    runtime: InRuntime,
    search: Annotated[wire.Line, Query(max_length=512, description="Part of an address, or a whole id.")] = "",
    banned: Annotated[bool | None, Query(description="Only suspended users, or only others.")] = None,
    deleted: Annotated[bool, Query(description="Those in their seven days of grace, instead of the living.")] = False,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
    limit: Limit = 100,
) -> wire.Users:
    """A page of a team's users, newest first."""

    async def work(unit: Unit) -> tuple[list[users.User], int]:
        await teams.get(unit, team_id)
        return await user_listing.list_page(
            unit, team_id, search=search, banned=banned, deleted=deleted, offset=offset, limit=limit
        )

    page, total = await runtime.read(work)
    return wire.Users(users=[wire.User.of(user) for user in page], total=total)


@router.post(
    f"{_TEAM}/users",
    tags=["Admin: users"],
    **documented(wire.User, NO_TEAM, Conflict("a user with this address exists"), body=wire.CreateUser, status=201),
)
async def create_user(
    team_id: UUID, body: Annotated[wire.CreateUser, Depends(body_of(wire.CreateUser))], runtime: InRuntime
) -> wire.User:
    """Make an account, known by a mailbox, by your own id, or both."""

    async def work(unit: Unit) -> users.User:
        await teams.get(unit, team_id)
        if body.email is None and body.client_user_id is None:
            raise InputRefused("email", "or client_user_id is needed")
        dotless = unit.policy.dotless_domains
        user = await users.create(
            unit,
            team_id,
            address=None if body.email is None else Address.parse(body.email, dotless=dotless),
            client_user_id=body.client_user_id,
            email_verified=body.email_verified,
        )
        profile = body.profile()
        return await users.change(unit, team_id, user.id, **profile) if profile else user

    return wire.User.of(await runtime.transact(work))


@router.get(_USER, tags=["Admin: users"], **documented(wire.User, NO_USER))
async def read_user(team_id: UUID, user_id: UUID, runtime: InRuntime) -> wire.User:
    """One account."""
    return wire.User.of(await runtime.read(lambda unit: users.get(unit, team_id, user_id)))


@router.patch(_USER, tags=["Admin: users"], **documented(wire.User, NO_USER, body=wire.Profile))
async def change_user(
    team_id: UUID, user_id: UUID, body: Annotated[wire.Profile, Depends(body_of(wire.Profile))], runtime: InRuntime
) -> wire.User:
    """Change what is known of a user; what is left out stays."""

    async def work(unit: Unit) -> users.User:
        changes = body.given()
        if not changes:
            return await users.get(unit, team_id, user_id)
        return await users.change(unit, team_id, user_id, **changes)

    return wire.User.of(await runtime.transact(work))


@router.post(f"{_USER}/ban", tags=["Admin: users"], **documented(wire.User, NO_USER, body=wire.Ban))
async def ban_user(
    team_id: UUID, user_id: UUID, body: Annotated[wire.Ban, Depends(body_of(wire.Ban))], runtime: InRuntime
) -> wire.User:
    """Suspend an account and end all its sessions at once."""
    return wire.User.of(await runtime.transact(lambda unit: users.ban(unit, team_id, user_id, body.reason)))


@router.post(f"{_USER}/unban", tags=["Admin: users"], **documented(wire.User, NO_USER))
async def unban_user(team_id: UUID, user_id: UUID, runtime: InRuntime) -> wire.User:
    """Let an account sign in again. Sessions that were ended stay closed."""
    return wire.User.of(await runtime.transact(lambda unit: users.unban(unit, team_id, user_id)))


# Sessions.


@router.get(f"{_USER}/sessions", tags=["Admin: sessions"], **documented(wire.Sessions, NO_USER))
async def list_sessions(team_id: UUID, user_id: UUID, runtime: InRuntime) -> wire.Sessions:
    """A user's sessions, newest first, ended ones too while they are kept."""

    async def work(unit: Unit) -> wire.Sessions:
        await users.get(unit, team_id, user_id)
        found = await sessions.list_of_user(unit, team_id, user_id)
        return wire.Sessions(sessions=[wire.Session.at(unit.now, session) for session in found])

    return await runtime.read(work)


@router.delete(f"{_USER}/sessions", tags=["Admin: sessions"], **documented(wire.Ended, NO_USER))
async def end_sessions(team_id: UUID, user_id: UUID, runtime: InRuntime) -> wire.Ended:
    """Sign a user out everywhere, with cause `admin`."""

    async def work(unit: Unit) -> int:
        await users.lock(unit, team_id, user_id)
        return await sessions.end_all(unit, team_id, user_id, Cause.ADMIN)

    return wire.Ended(ended=await runtime.transact(work))


@router.get(_SESSION, tags=["Admin: sessions"], **documented(wire.Session, NO_SESSION))
async def read_session(team_id: UUID, session_id: UUID, runtime: InRuntime) -> wire.Session:
    """One session, open or not."""

    async def work(unit: Unit) -> wire.Session:
        return wire.Session.at(unit.now, await sessions.get(unit, session_id, team_id=team_id))

    return await runtime.read(work)


@router.delete(_SESSION, tags=["Admin: sessions"], **documented(wire.Session, NO_SESSION))
async def end_session(team_id: UUID, session_id: UUID, runtime: InRuntime) -> wire.Session:
    """End one session, with cause `admin`. One that had ended before keeps its cause."""

    async def work(unit: Unit) -> wire.Session:
        await sessions.get(unit, session_id, team_id=team_id)
        await sessions.end(unit, session_id, Cause.ADMIN)
        return wire.Session.at(unit.now, await sessions.get(unit, session_id, team_id=team_id))

    return await runtime.transact(work)


@router.get(f"{_SESSION}/explanation", tags=["Admin: sessions"], **documented(wire.Explanation, NO_SESSION))
async def explain_session(team_id: UUID, session_id: UUID, runtime: InRuntime) -> wire.Explanation:
    """Why was I signed out? The cause in plain words, what to do, and what happened on the way."""

    async def work(unit: Unit) -> wire.Explanation:
        return wire.Explanation.at(unit.now, await explain(unit, session_id, team_id=team_id))

    return await runtime.read(work)

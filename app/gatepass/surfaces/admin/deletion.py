"""Deleting users, for seven days not for good, and removing teams, for good: by the admin API."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from gatepass.core import teams, user_deletion
from gatepass.core.errors import Conflict, NotFound
from gatepass.surfaces.admin import wire
from gatepass.surfaces.admin.documentation import documented
from gatepass.wiring import InRuntime

router = APIRouter(prefix="/teams/{team_id}")

NO_TEAM, NO_USER = NotFound("team"), NotFound("user")
TAKEN = Conflict("a living user has this client_user_id or address")


@router.delete("", tags=["Admin: teams"], **documented(wire.Ended, NO_TEAM))
async def remove_team(team_id: UUID, runtime: InRuntime) -> wire.Ended:
    """Take a team out of service, for good: its keys open nothing any more and its sessions end, with cause `team_gone`."""
    return wire.Ended(ended=await runtime.transact(lambda unit: teams.remove(unit, team_id)))


@router.delete("/users/{user_id}", tags=["Admin: users"], **documented(wire.User, NO_USER))
async def delete_user(team_id: UUID, user_id: UUID, runtime: InRuntime) -> wire.User:
    """Delete an account: its sessions end at once, with cause `user_deleted`, and after seven days it is erased.

    Its mailbox and `client_user_id` are free at once.
    """
    return wire.User.of(await runtime.transact(lambda unit: user_deletion.delete_user(unit, team_id, user_id)))


@router.post("/users/{user_id}/undelete", tags=["Admin: users"], **documented(wire.User, NO_USER, TAKEN))
async def undelete_user(team_id: UUID, user_id: UUID, runtime: InRuntime) -> wire.User:
    """Take a deletion back within its seven days. Sessions that ended stay ended."""
    return wire.User.of(
        await runtime.transact(lambda unit: user_deletion.undelete_user(unit, team_id, user_id=user_id))
    )

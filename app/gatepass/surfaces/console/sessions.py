"""One session: what it is, how it came to be so, and its end."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gatepass.core import sessions
from gatepass.core.explain import explain
from gatepass.core.sessions import Cause, Session
from gatepass.core.unit import Unit
from gatepass.surfaces.console.access import AtTeam, id_in_path

router = APIRouter(prefix="/console/teams/{team_id}/sessions")


@router.get("/{session_id}")
async def show(session_id: str, desk: AtTeam) -> Response:
    """The session's story, told from its row and its events."""
    wanted = id_in_path("session", session_id)
    told = await desk.read(lambda unit: explain(unit, wanted, team_id=desk.team.id))
    return desk.render(
        "session.html",
        session=told.session,
        summary=told.summary,
        timeline=told.timeline,
        is_open=told.session.is_open(desk.runtime.clock.now()),
    )


@router.post("/{session_id}/end")
async def end(session_id: str, desk: AtTeam) -> Response:
    """End it now, for good. The account is untouched."""
    await desk.form()
    wanted = id_in_path("session", session_id)

    async def work(unit: Unit) -> tuple[Session, bool]:
        session = await sessions.get(unit, wanted, team_id=desk.team.id)
        return session, await sessions.end(unit, wanted, Cause.ADMIN)

    session, ended = await desk.transact(work)
    said = "The session is ended." if ended else "The session had ended before."
    return desk.go(f"{desk.home}/users/{session.user_id}", said)

"""`gatepass sessions`: who is signed in where, ending it, and why it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepass.cli.options import AsJson, DataDir, TeamId, UserName
from gatepass.cli.output import Failure, examples, group, instant, show, table

if TYPE_CHECKING:
    from gatepass.core.explain import Explanation
    from gatepass.core.sessions import Session
    from gatepass.core.unit import Unit

app = group("sessions", "List, end and explain sessions.", "gatepass sessions list ada@example.com")

SessionId = Annotated[str, typer.Argument(help="The session's id.", metavar="SESSION_ID")]


def _full(session: Session) -> dict[str, Any]:
    return {
        "session_id": str(session.id),
        "team_id": str(session.team_id),
        "user_id": str(session.user_id),
        "surface": str(session.surface),
        "environment": session.environment,
        "proof": str(session.proof),
        "device_model": session.device_model,
        "sdk": session.sdk,
        "generation": session.generation,
        "opened_at": session.opened_at,
        "last_seen_at": session.last_seen_at,
        "idle_expires_at": session.idle_expires_at,
        "ended_at": session.ended_at,
        "end_cause": str(session.end_cause) if session.end_cause else None,
    }


@app.command("list", epilog=examples("gatepass sessions list ada@example.com --json"))
def list_all(user: UserName, team: TeamId = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """A user's sessions, newest first, ended ones too while they are kept."""
    from gatepass.cli.deployment import read, team_of, user_of
    from gatepass.core import sessions

    async def work(unit: Unit) -> list[Session]:
        owner = await team_of(unit, team)
        return await sessions.list_of_user(unit, owner.id, (await user_of(unit, owner, user)).id)

    found = read(work, data_dir)
    show(
        as_json,
        [_full(session) for session in found],
        lambda: table(
            ("id", "opened", "by", "device", "last seen", "ended", "cause"),
            [
                (
                    session.id,
                    instant(session.opened_at),
                    session.proof,
                    session.device_model or session.sdk,
                    instant(session.last_seen_at),
                    instant(session.ended_at),
                    session.end_cause,
                )
                for session in found
            ],
            empty="no sessions",
        ),
    )


@app.command(epilog=examples("gatepass sessions end 0198...", "gatepass sessions end --user ada@example.com"))
def end(
    session_id: Annotated[str | None, typer.Argument(help="The session's id.", metavar="SESSION_ID")] = None,
    user: Annotated[str | None, typer.Option(help="End all sessions of this user instead.")] = None,
    team: TeamId = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Sign a device out, or with --user all devices of a user. Immediate and final."""
    if (session_id is None) == (user is None):
        raise Failure("name a session, or a user with --user", "gatepass sessions end --help shows how", code=2)
    from gatepass.cli.deployment import id_of, team_of, transact, user_of
    from gatepass.core import sessions, users
    from gatepass.core.sessions import Cause

    async def work(unit: Unit) -> int:
        if session_id is not None:
            session = await sessions.get(unit, id_of("session", session_id))
            return int(await sessions.end(unit, session.id, Cause.ADMIN))
        owner = await team_of(unit, team)
        found = await users.lock(unit, owner.id, (await user_of(unit, owner, user or "")).id)
        return await sessions.end_all(unit, owner.id, found.id, Cause.ADMIN)

    ended = transact(work, data_dir)
    show(as_json, {"ended": ended}, lambda: f"ended {ended}" if ended else "ended 0: none was open")


@app.command(epilog=examples("gatepass sessions explain 01990e6f-9a2e-7d34-8f6d-2f1b9d347c1f"))
def explain(session_id: SessionId, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Why was I signed out? What happened to one session, and what to do about it."""
    from gatepass.cli.deployment import id_of, read
    from gatepass.core import explain as core

    told = read(lambda unit: core.explain(unit, id_of("session", session_id)), data_dir)
    document = {
        "session": _full(told.session),
        "summary": told.summary,
        "timeline": [{"at": moment.at, "event": moment.event, "words": moment.words} for moment in told.timeline],
    }
    show(as_json, document, lambda: _story(told))


def _story(told: Explanation) -> str:
    moments = [f"  {instant(moment.at)}  {moment.words}" for moment in told.timeline]
    return "\n".join([told.summary, "", *moments])

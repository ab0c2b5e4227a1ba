"""A browser on its user's account pages: a session like a phone's, held by a cookie instead of tokens.

The session is what counts. It stands in the list of devices, may show QR values, and ends as any other: by its own hand,
another device's, an operator's, a ban or a deletion. The cookie (browser_sessions.py) only finds it, and lives no longer.
Its refresh token is never made, so it never rotates.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from gatepass.core import access_tokens, browser_sessions, devices, teams
from gatepass.core.browser_sessions import IDLE, BrowserSession, Kind
from gatepass.core.server_secret import sha256
from gatepass.core.sessions import Grant, Session, sessions
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.core.users import User


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser, the session that its cookie holds, and whose it is."""

    browser: BrowserSession
    session: Session
    user: User
    team: Team


async def open_browser(unit: Unit, value: str, grant: Grant, *, instead_of: str | None = None) -> None:
    """Let the cookie *value*, new and random, hold the session that *grant* has just opened.

    What the browser's earlier cookie, *instead_of*, held is signed out: a browser is at one account at a time.
    """
    if (before := await find(unit, instead_of)) is not None:
        await devices.sign_out(unit, before.session, before.session.id)
    await browser_sessions.close(unit, instead_of)
    browser = await browser_sessions.open_for_user(unit, value, grant.team_id, grant.user_id, grant.session_id)
    await unit.db.execute(
        update(sessions)
        .where(sessions.c.id == grant.session_id)
        .values(idle_expires_at=browser.idle_expires_at, absolute_expires_at=browser.absolute_expires_at)
    )


async def find(unit: Unit, value: str | None) -> SignedIn | None:
    """Who is at the browser with that cookie *value*; None where its session, user or team's pages are gone."""
    browser = await browser_sessions.find(unit, value, Kind.USER)
    if browser is None or browser.session_id is None:
        return None
    row = (await unit.db.execute(access_tokens.LOOK, {"session_id": browser.session_id})).one_or_none()
    if row is None:
        return None
    session, user = access_tokens.found_in(tuple(row))
    team = await teams.find(unit, session.team_id)
    if team is None or not team.account_pages or user.is_banned or user.deleted_at is not None:
        return None
    return SignedIn(browser, session, user, team) if session.is_open(unit.now) else None


async def team_behind(unit: Unit, value: str | None) -> UUID | None:
    """Which team a cookie *value* was given out for, whether it is still good or not."""
    if value is None:
        return None
    rows = browser_sessions.browser_sessions.c
    return await unit.db.scalar(select(rows.team_id).where(rows.digest == sha256(value)))


async def note_seen(unit: Unit, who: SignedIn) -> None:
    """The browser was just used: its idle life starts anew, and the list of devices says so."""
    await browser_sessions.note_seen(unit, who.browser)
    await unit.db.execute(
        update(sessions)
        .where(sessions.c.id == who.session.id, sessions.c.ended_at.is_(None))
        .values(last_seen_at=unit.now, idle_expires_at=unit.now + IDLE[Kind.USER])
    )


async def close_browser(unit: Unit, value: str | None) -> None:
    """Sign the browser out. Done already is done."""
    if (who := await find(unit, value)) is not None:
        await devices.sign_out(unit, who.session, who.session.id)
    await browser_sessions.close(unit, value)

"""Who died while their access tokens may still live: the list behind `/.well-known/revocations`.

A Junction access token is verified offline, so nothing tells its verifier that the session behind it has ended. This
list does: a JWT, ES256 by the access ring like the tokens themselves, `typ` `revocations+jwt`, with exactly these claims:

    iss       the server's public URL
    iat, exp  seconds; a copy past its `exp` says nothing any more (it lives two to three minutes)
    since     seconds; everything that died at or after it is listed
    sessions  session ids (`sid`) that ended, sorted
    users     user id to seconds: banned or deleted then, so a token of theirs (`sub`) with `iat` up to it is dead
    teams     team id to seconds: removed then, the same for `team_id`

A token is dead if its `sid` is listed, if its `iat` is not after what `users` says of its `sub`, or not after what
`teams` says of its `team_id`. Sessions of banned or deleted users are in `sessions` too; those of removed teams are not,
for there may be millions. Of a token with `iat` before `since` the list knows nothing: ask `/oauth/introspect`. That
happens only after more than 5 000 sessions ended within the life of one token, for otherwise `since` lies before every
token that still lives. A session that runs out by itself is not listed: its last tokens are no older than it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from gatepass.core import jws
from gatepass.core.access_tokens import LEEWAY
from gatepass.core.schema import MINUTE, SECOND
from gatepass.core.sessions import REVOKED, Cause, sessions
from gatepass.core.signing_keys import SigningKey
from gatepass.core.teams import teams
from gatepass.core.unit import Policy, Unit

TYPE = "revocations+jwt"
MOST = 5_000
"""Sessions listed at most, the latest to end."""
LIFE = 3 * MINUTE
"""How long a signed list may be relied on, from the minute it was signed in."""

ROUNDING = 2 * SECOND
"""Tokens and this list count in whole seconds."""


@dataclass(frozen=True, slots=True)
class Revocations:
    """What the list says at one instant. *since* and the values of *users* and *teams* are epoch ms."""

    since: int
    sessions: tuple[UUID, ...]
    users: dict[UUID, int]
    teams: dict[UUID, int]
    complete: bool


async def recent(unit: Unit) -> Revocations:
    """Every death that some living token has not heard of; the work is bounded by MOST."""
    since = unit.now - unit.policy.junction_access_ttl - LEEWAY - ROUNDING
    s = sessions.c
    rows = (
        await unit.db.execute(
            select(s.id, s.user_id, s.end_cause, s.ended_at)
            .where(REVOKED, s.ended_at >= since)
            .order_by(s.ended_at.desc())
            .limit(MOST + 1)
        )
    ).all()
    complete = len(rows) <= MOST
    if not complete:
        since = rows[MOST].ended_at + 1
        rows = [row for row in rows if row.ended_at >= since]
    users: dict[UUID, int] = {}
    for row in rows:
        if row.end_cause in (Cause.BANNED, Cause.USER_DELETED):
            users.setdefault(row.user_id, row.ended_at)
    removed = await unit.db.execute(select(teams.c.id, teams.c.removed_at).where(teams.c.removed_at >= since))
    return Revocations(
        since, tuple(row.id for row in rows), users, {row.id: row.removed_at for row in removed}, complete
    )


def content_of(revocations: Revocations) -> dict[str, Any]:
    """The claims that tell who died, in an order of their own: the same deaths, the same bytes."""
    return {
        "sessions": sorted(str(session_id) for session_id in revocations.sessions),
        "users": {str(user_id): at // SECOND for user_id, at in sorted(revocations.users.items())},
        "teams": {str(team_id): at // SECOND for team_id, at in sorted(revocations.teams.items())},
    }


def sign(policy: Policy, revocations: Revocations, key: SigningKey, now: int) -> str:
    """The list as a JWT. *now* in ms."""
    claims = {
        "iss": policy.issuer,
        "iat": now // SECOND,
        "exp": (now - now % MINUTE + LIFE) // SECOND,
        "since": -(-revocations.since // SECOND),
        **content_of(revocations),
    }
    return jws.sign(claims, key.private, algorithm=key.ring.algorithm, typ=TYPE, kid=key.kid)

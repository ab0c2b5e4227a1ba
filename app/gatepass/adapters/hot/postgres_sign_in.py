"""Sign-in tokens on PostgreSQL: many recorded, or many exchanged for the first time, in one statement.

An exchange holds its user's row and its token's, as `sign_in_tokens.redeem` does, but waits for neither: whatever another
transaction holds is left to the long way. Budgets are rows that everyone takes in one order.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Uuid

from gatepass.core.limits import CLOCK_SPREAD
from gatepass.core.sessions import Grant, sessions
from gatepass.core.sign_in_tokens import Redemption, Vouching, sign_in_tokens

Fetch = Callable[..., Awaitable[list[Any]]]

_TYPES: dict[type, str] = {
    Uuid: "uuid",
    String: "text",
    BigInteger: "bigint",
    Integer: "integer",
    LargeBinary: "bytea",
}


async def vouch(fetch: Fetch, records: Sequence[Vouching]) -> Mapping[str, bool]:
    """Record what users may sign in with; which tokens were."""
    arrays = ([getattr(record, name) for record in records] for name in Vouching.__slots__)
    return {row[0]: True for row in await fetch(_VOUCH, *arrays)}


async def redeem(fetch: Fetch, redemptions: Sequence[Redemption]) -> Mapping[str, Grant]:
    """Open the sessions of unspent tokens; their grants by token.

    What is the same for all first exchanges of a deployment is said once: arrays are what a statement costs here.
    """
    any_one = redemptions[0]
    rate = any_one.budget[1] if any_one.budget is not None else None
    rows = await fetch(
        _REDEEM,
        CLOCK_SPREAD,
        any_one.session.surface.value,
        any_one.session.proof.value,
        any_one.event["event"],
        json.dumps(any_one.event["detail"]),
        rate and rate.count,
        rate and rate.period,
        [redemption.jti for redemption in redemptions],
        [redemption.event["id"] for redemption in redemptions],
        [redemption.budget and redemption.budget[0] for redemption in redemptions],
        *([getattr(redemption.session, name) for redemption in redemptions] for name in _OWN),
    )
    found = {row[0]: row for row in rows}
    return {
        redemption.jti: redemption.grant(row[1], row[2] or ())
        for redemption in redemptions
        if (row := found.get(redemption.jti)) is not None
    }


def _arrays(columns: Sequence[Column[Any]], first: int = 1) -> str:
    return ", ".join(f"${number}::{_TYPES[type(column.type)]}[]" for number, column in enumerate(columns, first))


def _names(columns: Sequence[Column[Any]]) -> str:
    return ", ".join(column.name for column in columns)


_MAY_SIGN_IN = "COALESCE(u.deleted_at, u.banned_at) IS NULL"
"""One test, because two of a table that was never analysed let PostgreSQL expect nobody, and walk all users for them.

For the same reason a user's team is compared in a way that no index serves: a team's users are many, its id names one."""
_RECORD = [sign_in_tokens.c[name] for name in Vouching.__slots__]
_VOUCH = f"""
INSERT INTO sign_in_tokens ({_names(_RECORD)})
SELECT {", ".join(f"r.{column.name}" for column in _RECORD)}
  FROM unnest({_arrays(_RECORD)}) AS r({_names(_RECORD)})
 WHERE (SELECT u.team_id = r.team_id AND {_MAY_SIGN_IN} FROM users AS u WHERE u.id = r.user_id)
RETURNING jti
"""  # noqa: S608 - names of our own columns
_OWN = (
    "id",
    "team_id",
    "environment",
    "user_id",
    "opened_at",
    "idle_expires_at",
    "absolute_expires_at",
    "client_address",
    "sdk",
)
"""What a session has of its own when it begins (`sign_in.new_session`); the rest is alike in all, or nothing yet."""
_SESSION = [sessions.c[name] for name in _OWN]
_LAPSED = "(l.resets_at <= excluded.resets_at - $7::bigint OR l.resets_at > excluded.resets_at + $1::bigint)"
"""As in core/limits.py; one deployment has one period for this budget."""
_REDEEM = f"""
WITH r AS MATERIALIZED (
  SELECT * FROM unnest($8::text[], $9::uuid[], $10::bytea[], {_arrays(_SESSION, 11)})
      AS r(jti, event_id, budget, {_names(_SESSION)})
), held AS MATERIALIZED (
  SELECT r.*, found.email, found.roles
    FROM r
   CROSS JOIN LATERAL (
     SELECT u.email, u.roles
       FROM sign_in_tokens AS s, users AS u, teams AS t
      WHERE s.jti = r.jti AND s.user_id = r.user_id AND s.team_id = r.team_id
        AND COALESCE(s.session_id::text, s.revoked_at::text) IS NULL
        AND u.id = r.user_id AND u.team_id IS NOT DISTINCT FROM r.team_id
        AND {_MAY_SIGN_IN} AND t.id = r.team_id AND t.removed_at IS NULL
        AND (s.key_id IS NULL OR EXISTS (SELECT FROM api_keys AS k WHERE k.id = s.key_id AND k.revoked_at IS NULL))
        FOR UPDATE OF u, s SKIP LOCKED
   ) AS found
), spent AS (
  INSERT INTO limits AS l (key, spent, ceiling, resets_at)
  SELECT budget, count(*), $6::integer, max(opened_at + $7::bigint)
    FROM held WHERE budget IS NOT NULL GROUP BY budget HAVING count(*) <= $6::integer ORDER BY budget
      ON CONFLICT (key) DO UPDATE SET
         spent = CASE WHEN {_LAPSED} THEN excluded.spent ELSE l.spent + excluded.spent END,
         resets_at = CASE WHEN {_LAPSED} THEN excluded.resets_at ELSE l.resets_at END
   WHERE {_LAPSED} OR l.spent + excluded.spent <= excluded.ceiling
  RETURNING key
), taken AS (
  UPDATE sign_in_tokens AS s SET session_id = held.id
    FROM held
   WHERE s.jti = held.jti AND (held.budget IS NULL OR held.budget IN (SELECT key FROM spent))
  RETURNING s.jti
), opened AS (
  INSERT INTO sessions ({_names(_SESSION)}, surface, proof, generation, late_replays, rotated_at, last_seen_at)
  SELECT {", ".join(f"held.{column.name}" for column in _SESSION)}, $2::text, $3::text, 0, 0, opened_at, opened_at
    FROM held JOIN taken ON taken.jti = held.jti
), told AS (
  INSERT INTO audit_events (id, at, event, team_id, user_id, session_id, detail)
  SELECT event_id, opened_at, $4::text, team_id, user_id, id, $5::text::json
    FROM held JOIN taken ON taken.jti = held.jti
)
SELECT held.jti, held.email, held.roles FROM held JOIN taken ON taken.jti = held.jti
"""  # noqa: S608 - names of our own columns

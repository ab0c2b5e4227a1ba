"""Sign-in tokens on SQLite: what the writer thread does for each of a batch, within its transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ClauseElement, insert
from sqlalchemy.dialects import sqlite

from gatepass.core import limits, sign_in
from gatepass.core.audit import audit_events
from gatepass.core.limits import Rate
from gatepass.core.sessions import Grant, sessions
from gatepass.core.sign_in_tokens import Redemption, Vouching


def vouch_all(connection: sqlite3.Connection, records: Sequence[Vouching]) -> Mapping[str, bool]:
    """Record what users may sign in with; which tokens were."""
    recorded = {}
    for record in records:
        given = _storable({name: getattr(record, name) for name in Vouching.__slots__})
        if connection.execute(_VOUCH, given).rowcount:
            recorded[record.jti] = True
    return recorded


def redeem_all(connection: sqlite3.Connection, redemptions: Sequence[Redemption]) -> Mapping[str, Grant]:
    """Open the sessions of unspent tokens; their grants by token."""
    granted = {}
    for redemption in redemptions:
        session = redemption.session
        named = {"jti": redemption.jti, "user_id": session.user_id.hex, "team_id": session.team_id.hex}
        found = connection.execute(_HELD, named).fetchone()
        if found is None or not _has_room(connection, redemption.budget, session.opened_at):
            continue
        connection.execute(_TAKE, {"jti": redemption.jti, "session_id": session.id.hex})
        connection.execute(_OPEN, _storable(sign_in.row_of(session)))
        connection.execute(_TELL, _storable(redemption.event))
        granted[redemption.jti] = redemption.grant(found[0], json.loads(found[1]) if found[1] else ())
    return granted


def _has_room(connection: sqlite3.Connection, budget: tuple[bytes, Rate] | None, now: int) -> bool:
    """Take one from *budget*, as `limits.spend` does; True where there is none to take from."""
    if budget is None:
        return True
    key, rate = budget
    given = {**_SPEND_CONSTANTS, "now": now, "key_0": key, "ceiling_0": rate.count, "end_0": now + rate.period}
    return connection.execute(_SPEND, given).fetchone() is not None


def _storable(row: Mapping[str, Any]) -> dict[str, Any]:
    """*row* as SQLite keeps it: ids as text without hyphens, objects as JSON."""
    return {name: _stored(value) for name, value in row.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    return json.dumps(value) if isinstance(value, dict) else value


def _named(statement: ClauseElement) -> tuple[str, dict[str, Any]]:
    """*statement* as text, its parameters by name, and the values it brings itself."""
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    return str(compiled), dict(compiled.params)


_VOUCH = """
INSERT INTO sign_in_tokens (jti, team_id, user_id, key_id, created_at, expires_at)
SELECT :jti, :team_id, id, :key_id, :created_at, :expires_at FROM users
 WHERE id = :user_id AND team_id = :team_id AND deleted_at IS NULL AND banned_at IS NULL
"""
_HELD = """
SELECT u.email, u.roles
  FROM sign_in_tokens AS s JOIN users AS u ON u.id = s.user_id JOIN teams AS t ON t.id = s.team_id
 WHERE s.jti = :jti AND s.session_id IS NULL AND s.revoked_at IS NULL AND s.user_id = :user_id AND s.team_id = :team_id
   AND u.team_id = :team_id AND u.deleted_at IS NULL AND u.banned_at IS NULL AND t.removed_at IS NULL
   AND (s.key_id IS NULL OR EXISTS (SELECT 1 FROM api_keys AS k WHERE k.id = s.key_id AND k.revoked_at IS NULL))
"""
_TAKE = "UPDATE sign_in_tokens SET session_id = :session_id WHERE jti = :jti"
_SPEND, _SPEND_CONSTANTS = _named(limits.spending("sqlite", 1))
_OPEN, _ = _named(insert(sessions))
_TELL, _ = _named(insert(audit_events))

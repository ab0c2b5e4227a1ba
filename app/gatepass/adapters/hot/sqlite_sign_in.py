"""Sign-in tokens on SQLite: what the writer thread does for a whole batch.

Each part is one statement for everyone, the requests a JSON array, for the reason that sqlite.py gives. JSON holds no
bytes, so the budgets' keys come beside it, end to end.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from gatepass.adapters.hot.driver import list_in
from gatepass.adapters.hot.stored import stored
from gatepass.core.audit import audit_events
from gatepass.core.limits import CLOCK_SPREAD
from gatepass.core.sessions import Grant, Session
from gatepass.core.sign_in_tokens import Redemption, Vouching


def vouch_all(connection: sqlite3.Connection, records: Sequence[Vouching]) -> Mapping[str, bool]:
    """Record what users may sign in with; which tokens were. Its own transaction."""
    rows = [[stored(getattr(record, name)) for name in Vouching.__slots__] for record in records]
    return {jti: True for (jti,) in connection.execute(_VOUCH, (json.dumps(rows),)).fetchall()}


def redeem_all(connection: sqlite3.Connection, redemptions: Sequence[Redemption]) -> Mapping[str, Grant]:
    """Open the sessions of unspent tokens, within the caller's transaction; their grants by token."""
    asked = [(one.jti, one.session.user_id.hex, one.session.team_id.hex) for one in redemptions]
    found = {row[0]: row for row in connection.execute(_HELD, (json.dumps(asked),))}
    held = _with_room(connection, [one for one in redemptions if one.jti in found])
    if not held:
        return {}
    connection.execute(_TAKE, (json.dumps([(one.jti, one.session.id.hex) for one in held]),))
    connection.execute(_OPEN, (json.dumps([[stored(value) for value in one.session] for one in held]),))
    connection.execute(_TELL, (json.dumps([[stored(one.event[name]) for name in _EVENT] for one in held]),))
    return {one.jti: one.grant(found[one.jti][1], list_in(found[one.jti][2] or "[]")) for one in held}


def _with_room(connection: sqlite3.Connection, redemptions: Sequence[Redemption]) -> list[Redemption]:
    """Take one from the budget of each, as `limits.spend` does; those who had none to ask, or whose had room for all."""
    asked = [(one, *one.budget) for one in redemptions if one.budget is not None]
    if not asked:
        return list(redemptions)
    rows = [(rate.count, one.session.opened_at + rate.period) for one, _, rate in asked]
    given = {
        "asked": json.dumps(rows),
        "keys": b"".join(key for _, key, _ in asked),
        "period": asked[0][2].period,
        "spread": CLOCK_SPREAD,
    }
    granted = {key for (key,) in connection.execute(_SPEND, given).fetchall()}
    return [one for one in redemptions if one.budget is None or one.budget[0] in granted]


def _columns(names: Sequence[str]) -> str:
    """The members of one request, under the names of the columns that they go to."""
    return ", ".join(f"value ->> {place} AS {name}" for place, name in enumerate(names))


_EVENT = [column.name for column in audit_events.c]
_VOUCH = f"""
INSERT INTO sign_in_tokens ({", ".join(Vouching.__slots__)})
SELECT {", ".join(f"r.{name}" for name in Vouching.__slots__)}
  FROM (SELECT {_columns(Vouching.__slots__)} FROM json_each(?)) AS r JOIN users AS u ON u.id = r.user_id
 WHERE u.team_id = r.team_id AND u.deleted_at IS NULL AND u.banned_at IS NULL
RETURNING jti
"""  # noqa: S608 - names of our own columns
_HELD = f"""
SELECT s.jti, u.email, u.roles
  FROM (SELECT {_columns(("jti", "user_id", "team_id"))} FROM json_each(?)) AS r
  JOIN sign_in_tokens AS s ON s.jti = r.jti JOIN users AS u ON u.id = s.user_id JOIN teams AS t ON t.id = s.team_id
 WHERE s.session_id IS NULL AND s.revoked_at IS NULL AND s.user_id = r.user_id AND s.team_id = r.team_id
   AND u.team_id = r.team_id AND u.deleted_at IS NULL AND u.banned_at IS NULL AND t.removed_at IS NULL
   AND (s.key_id IS NULL OR EXISTS (SELECT 1 FROM api_keys AS k WHERE k.id = s.key_id AND k.revoked_at IS NULL))
"""  # noqa: S608
_LAPSED = "(l.resets_at <= excluded.resets_at - :period OR l.resets_at > excluded.resets_at + :spread)"
"""As in core/limits.py; one deployment has one period for this budget."""
_SPEND = f"""
INSERT INTO limits AS l (key, spent, ceiling, resets_at)
SELECT substr(:keys, 1 + 32 * key, 32), count(*), max(value ->> 0), max(value ->> 1)
  FROM json_each(:asked) WHERE true GROUP BY 1 HAVING count(*) <= max(value ->> 0)
    ON CONFLICT (key) DO UPDATE SET
       spent = CASE WHEN {_LAPSED} THEN excluded.spent ELSE l.spent + excluded.spent END,
       resets_at = CASE WHEN {_LAPSED} THEN excluded.resets_at ELSE l.resets_at END
 WHERE {_LAPSED} OR l.spent + excluded.spent <= excluded.ceiling
RETURNING key
"""  # noqa: S608
_TAKE = f"""
UPDATE sign_in_tokens SET session_id = r.session_id
  FROM (SELECT {_columns(("jti", "session_id"))} FROM json_each(?)) AS r WHERE sign_in_tokens.jti = r.jti
"""  # noqa: S608
_OPEN = f"""
INSERT INTO sessions ({", ".join(Session._fields)}) SELECT {_columns(Session._fields)} FROM json_each(?)
"""  # noqa: S608
_TELL = f"""
INSERT INTO audit_events ({", ".join(_EVENT)}) SELECT {_columns(_EVENT)} FROM json_each(?)
"""  # noqa: S608

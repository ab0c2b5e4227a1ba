"""Codes by e-mail on PostgreSQL: many asked for, or many guesses judged, in one statement.

A batch holds for everyone in it or for nobody: where a budget lacks room for all of them, or an account changed under
way, the statement fails on purpose (`_OR_NOBODY`) and each goes the long way, which refuses exactly whom it must. Rows
are taken in one order: transactions, which nobody waits for here, then budgets, accounts and clients by their keys.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from gatepass.core.audit import audit_events
from gatepass.core.errors import Unavailable
from gatepass.core.limits import CLOCK_SPREAD
from gatepass.core.otp import Asker, otp_transactions
from gatepass.core.otp_shared import NEWCOMER, Asked, Guess, Judged
from gatepass.core.outbox import outbox
from gatepass.core.sessions import sessions
from gatepass.core.sign_in import row_of
from gatepass.core.users import users

Fetch = Callable[..., Awaitable[list[Any]]]


async def meet(fetch: Fetch, askers: Sequence[Mapping[str, Any]]) -> Mapping[bytes, Asker]:
    """What is known of each who asks, by the client's digest."""
    rows = await fetch(_MEET, *([asker[name] for asker in askers] for name in _ASKING))
    return {row[0]: Asker(row[1], row[2], row[3]) for row in rows}


async def begin(fetch: Fetch, asked: Sequence[Asked]) -> Mapping[str, bool]:
    """Store transactions and their mails and take from their budgets; whose."""
    budgets = [(key, rate.count, one.now + rate.period) for one in asked for key, rate in one.budgets]
    rows = await _for_all_or_nobody(
        fetch,
        _BEGIN,
        CLOCK_SPREAD,
        max(one.now for one in asked),
        *_arrays(budgets, 3),
        *_columns(_TRANSACTION, [one.transaction for one in asked]),
        *_columns(_MAIL, [one.mail for one in asked]),
    )
    return {one.subject: True for one in asked} if rows else {}


async def recipients(fetch: Fetch, transactions: Sequence[UUID]) -> Mapping[UUID, str]:
    """Whom transactions are for; whether they are pending is for the guess to see."""
    return {row[0]: row[1] for row in await fetch(_RECIPIENTS, transactions)}


async def judge(fetch: Fetch, guesses: Sequence[Guess]) -> Mapping[str, Judged]:
    """Count guesses and let in who is right, by the account."""
    rows = await _for_all_or_nobody(
        fetch,
        _JUDGE,
        CLOCK_SPREAD,
        max(guess.now for guess in guesses),
        *_arrays([[getattr(guess, name) for name, _ in _GUESS] for guess in guesses], len(_GUESS)),
        *_arrays(
            [
                (number, row.key, row.key_if_known, row.rate.count, guess.now + row.rate.period)
                for number, guess in enumerate(guesses, 1)
                for row in guess.budgets
            ],
            5,
        ),
        *_columns(_NEWCOMER, [guess.newcomer for guess in guesses]),
        *_columns(_SESSION, [row_of(guess.session) for guess in guesses]),
        *_columns(_EVENT, [guess.created for guess in guesses]),
        *_columns(_EVENT, [guess.opened for guess in guesses]),
        *_columns(_EVENT, [guess.locked for guess in guesses]),
    )
    return {
        (guess := guesses[row[0] - 1]).subject: Judged(
            guess.verified(row[3], row[4], row[5] or ()) if row[1] else None, last=row[2]
        )
        for row in rows
    }


async def _for_all_or_nobody(fetch: Fetch, statement: str, *arguments: object) -> list[Any]:
    """No rows where it does not hold for all. Raises Unavailable where nobody can say whether it was committed: a code
    that may be spent already must not be judged again.
    """
    try:
        return await fetch(statement, *arguments)
    except asyncpg.DivisionByZeroError:
        return []
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise Unavailable(f"the database was lost: {type(error).__name__}") from error
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "").startswith(("08", "57P")):
            raise Unavailable(f"the database was lost: {type(error).__name__}") from error
        raise


Columns = Sequence[tuple[str, str]]
"""Names with their types."""
_JSON = "text[]::json"
"""As the type of an array's elements: the driver has no array of JSON."""


def _of(table: Table[Any], but_for: Iterable[str] = ()) -> Columns:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    kinds = {column.name: column.type.compile(dialect=dialect) for column in table.c if column.name not in set(but_for)}
    return [(name, _JSON if kind == "JSON" else kind) for name, kind in kinds.items()]


def _columns(columns: Columns, rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    return [[json.dumps(row[name]) if kind == _JSON else row[name] for row in rows] for name, kind in columns]


def _arrays(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [[row[number] for row in rows] for number in range(width)]


def _given(first: int, *groups: Columns) -> list[str]:
    """`unnest(...)` of the arguments from number *first* on, one for each group."""
    calls = []
    for columns in groups:
        calls.append("unnest(" + ", ".join(f"${n}::{kind}[]" for n, (_, kind) in enumerate(columns, first)) + ")")
        first += len(columns)
    return calls


def _names(columns: Columns, of: str = "") -> str:
    return ", ".join(of + name for name, _ in columns)


_ASKING = ("client_digest", "client_seen_after", "in_team", "mailbox")
_MEET = """
SELECT a.client, EXISTS (SELECT FROM known_clients AS k WHERE k.digest = a.client AND k.seen_at > a.since),
       u.id IS NOT NULL, u.language
  FROM unnest($1::bytea[], $2::bigint[], $3::uuid[], $4::text[]) AS a(client, since, team_id, mailbox)
  LEFT JOIN LATERAL (
    SELECT id, language FROM users AS u
     WHERE u.team_id = a.team_id AND u.email_identity = a.mailbox AND u.deleted_at IS NULL
  ) AS u ON TRUE
"""
_RECIPIENTS = "SELECT id, email FROM otp_transactions WHERE id = ANY($1::uuid[])"

_LAPSED = "(l.resets_at <= $2::bigint OR l.resets_at > excluded.resets_at + $1::bigint)"
"""As in core/limits.py."""
_ADD = f"""spent = CASE WHEN {_LAPSED} THEN excluded.spent ELSE l.spent + excluded.spent END,
         resets_at = CASE WHEN {_LAPSED} THEN excluded.resets_at ELSE l.resets_at END"""
_OR_NOBODY = "1 / (CASE WHEN {} THEN 1 ELSE 0 END)"
_BUDGET: Columns = [("key", "bytea"), ("ceiling", "integer"), ("ends_at", "bigint")]
_TRANSACTION = _of(otp_transactions)
_MAIL = _of(outbox, ["settled_at", "last_failure"])
_WANTED, _TRANSACTIONS, _MAILS = _given(3, _BUDGET, _TRANSACTION, _MAIL)
_BEGIN = f"""
WITH wanted AS MATERIALIZED (
  SELECT key, count(*) AS many, max(ceiling) AS ceiling, max(ends_at) AS ends_at
    FROM {_WANTED} AS w(key, ceiling, ends_at) GROUP BY key
), spent AS (
  INSERT INTO limits AS l (key, spent, ceiling, resets_at)
  SELECT key, many, ceiling, ends_at FROM wanted ORDER BY key
      ON CONFLICT (key) DO UPDATE SET {_ADD}
   WHERE {_LAPSED} OR l.spent + excluded.spent <= excluded.ceiling
  RETURNING key
), begun AS (
  INSERT INTO otp_transactions ({_names(_TRANSACTION)}) SELECT * FROM {_TRANSACTIONS}
), queued AS (
  INSERT INTO outbox ({_names(_MAIL)}) SELECT * FROM {_MAILS}
)
SELECT {_OR_NOBODY.format("count(*) = count(spent.key) AND bool_and(many <= ceiling) IS NOT FALSE")}
  FROM wanted LEFT JOIN spent USING (key)
"""  # noqa: S608 - names of our own columns

_GUESS: Columns = [
    ("transaction_id", "uuid"),
    ("email", "text"),
    ("identity", "text"),
    ("now", "bigint"),
    ("digits", "integer"),
    ("digest", "bytea"),
    ("client_digest", "bytea"),
    ("device_digest", "bytea"),
    ("seen_after", "bigint"),
]
_GUESS_BUDGET: Columns = [
    ("n", "integer"),
    ("key", "bytea"),
    ("key_if_known", "bytea"),
    ("ceiling", "integer"),
    ("ends_at", "bigint"),
]
_NEWCOMER: Columns = [column for column in _of(users) if column[0] in NEWCOMER]
_SESSION = _of(sessions)
_EVENT = _of(audit_events)
_GUESSES, _BUDGETS, _NEWCOMERS, _SESSIONS, _CREATED, _OPENED, _LOCKED = _given(
    3, _GUESS, _GUESS_BUDGET, _NEWCOMER, _SESSION, _EVENT, _EVENT, _EVENT
)
_JUDGE = f"""
WITH held AS MATERIALIZED (
  SELECT g.*, s.team_id, t.is_right, t.is_last, seen.client AS is_known, seen.device AS knows_device
    FROM {_GUESSES} WITH ORDINALITY AS g({_names(_GUESS)}, n)
    JOIN {_SESSIONS} WITH ORDINALITY AS s({_names(_SESSION)}, n) USING (n)
   CROSS JOIN LATERAL (
     SELECT EXISTS (SELECT FROM known_clients AS k WHERE k.digest = g.client_digest AND k.seen_at > g.seen_after) AS client,
            EXISTS (SELECT FROM known_clients AS k WHERE k.digest = g.device_digest AND k.seen_at > g.seen_after) AS device
   ) AS seen
   CROSS JOIN LATERAL (
     SELECT t.digest = g.digest AS is_right, t.attempts + 1 >= t.max_attempts AS is_last
       FROM otp_transactions AS t
      WHERE t.id = g.transaction_id AND t.team_id = s.team_id AND t.environment = s.environment AND t.email = g.email
        AND t.state = 'pending' AND t.attempts < t.max_attempts AND t.expires_at > g.now AND t.code_length = g.digits
        FOR UPDATE OF t SKIP LOCKED
   ) AS t
   WHERE NOT EXISTS (
     SELECT FROM users AS u
      WHERE u.team_id = s.team_id AND u.email_identity = g.identity AND u.deleted_at IS NULL
        AND (u.banned_at IS NOT NULL OR NOT seen.device)
   )
), wanted AS MATERIALIZED (
  SELECT CASE WHEN held.is_known THEN b.key_if_known ELSE b.key END AS key,
         count(*) AS guesses, count(*) FILTER (WHERE NOT held.is_right) AS wrong,
         max(b.ceiling) AS ceiling, max(b.ends_at) AS ends_at
    FROM {_BUDGETS} AS b({_names(_GUESS_BUDGET)}) JOIN held USING (n) GROUP BY 1
), spent AS (
  INSERT INTO limits AS l (key, spent, ceiling, resets_at)
  SELECT key, wrong, ceiling, ends_at FROM wanted ORDER BY key
      ON CONFLICT (key) DO UPDATE SET {_ADD}
   WHERE {_LAPSED} OR l.spent + (SELECT guesses FROM wanted WHERE wanted.key = excluded.key) <= excluded.ceiling
  RETURNING key
), guessed AS (
  UPDATE otp_transactions AS t
     SET attempts = t.attempts + 1,
         state = CASE WHEN held.is_right THEN 'consumed' WHEN held.is_last THEN 'locked' ELSE t.state END
    FROM held WHERE t.id = held.transaction_id
), people AS (
  INSERT INTO users AS u ({_names(_NEWCOMER)})
  SELECT {_names(_NEWCOMER, "p.")}
    FROM {_NEWCOMERS} WITH ORDINALITY AS p({_names(_NEWCOMER)}, n) JOIN held USING (n)
   WHERE held.is_right AND (SELECT count(*) FROM spent) >= 0  -- budgets first: whoever bans takes them in this order too
   ORDER BY p.email_identity
      ON CONFLICT (team_id, email_identity) WHERE deleted_at IS NULL DO UPDATE SET email_verified = TRUE
   WHERE u.banned_at IS NULL AND EXISTS (
           SELECT FROM held WHERE held.team_id = u.team_id AND held.identity = u.email_identity AND held.knows_device)
  RETURNING u.id, u.team_id, u.email_identity AS identity, u.email, u.roles
), let_in AS (
  SELECT held.n, people.id AS user_id, people.email, people.roles
    FROM held JOIN people USING (team_id, identity) WHERE held.is_right
), opened AS (
  INSERT INTO sessions ({_names(_SESSION)})
  SELECT {", ".join("let_in.user_id" if name == "user_id" else f"s.{name}" for name, _ in _SESSION)}
    FROM {_SESSIONS} WITH ORDINALITY AS s({_names(_SESSION)}, n) JOIN let_in USING (n)
), told AS (
  INSERT INTO audit_events ({_names(_EVENT)})
  SELECT {_names(_EVENT, "e.")} FROM {_CREATED} WITH ORDINALITY AS e({_names(_EVENT)}, n) JOIN let_in USING (n)
   WHERE let_in.user_id = e.user_id
   UNION ALL
  SELECT {", ".join("let_in.user_id" if name == "user_id" else f"e.{name}" for name, _ in _EVENT)}
    FROM {_OPENED} WITH ORDINALITY AS e({_names(_EVENT)}, n) JOIN let_in USING (n)
   UNION ALL
  SELECT {_names(_EVENT, "e.")} FROM {_LOCKED} WITH ORDINALITY AS e({_names(_EVENT)}, n) JOIN held USING (n)
   WHERE held.is_last AND NOT held.is_right
), remembered AS (
  INSERT INTO known_clients (digest, seen_at)
  SELECT digest, max(now)
    FROM (SELECT client_digest AS digest, now FROM held WHERE is_right
           UNION ALL SELECT device_digest, now FROM held WHERE is_right) AS d
   GROUP BY digest ORDER BY digest
      ON CONFLICT (digest) DO UPDATE SET seen_at = excluded.seen_at
)
SELECT held.n::integer, held.is_right, held.is_last, let_in.user_id, let_in.email, let_in.roles,
       {
    _OR_NOBODY.format(
        "(SELECT count(*) FROM spent) = (SELECT count(*) FROM wanted)"
        " AND NOT EXISTS (SELECT FROM wanted WHERE guesses > ceiling)"
        " AND (NOT held.is_right OR let_in.user_id IS NOT NULL)"
    )
}
  FROM held LEFT JOIN let_in USING (n)
"""  # noqa: S608 - names of our own columns

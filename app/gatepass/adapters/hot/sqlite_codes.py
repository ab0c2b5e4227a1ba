"""Codes by e-mail on SQLite: what the writer thread does for each of a batch, within its transaction.

Each is done as a whole or not at all: one that lacks room or needs judgement is undone up to its savepoint and goes the
long way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ClauseElement, insert
from sqlalchemy.dialects import sqlite

from gatepass.adapters.hot.driver import list_in
from gatepass.adapters.hot.stored import stored
from gatepass.core import limits, sign_in
from gatepass.core.audit import audit_events
from gatepass.core.limits import Rate
from gatepass.core.otp import WHO_ASKS, Asker, otp_transactions
from gatepass.core.otp_shared import NEWCOMER, Asked, Guess, Judged
from gatepass.core.outbox import outbox
from gatepass.core.sessions import sessions


class _LongWay(Exception):
    """What was begun is undone, and somebody else judges."""


def meet_all(connection: sqlite3.Connection, askers: Sequence[Mapping[str, Any]]) -> Mapping[bytes, Asker]:
    """What is known of each who asks, by the client's digest."""
    found = {}
    for asker in askers:
        known, has_account, language = connection.execute(_MEET, _storable(asker)).fetchone()
        found[asker["client_digest"]] = Asker(bool(known), bool(has_account), language)
    return found


def begin_all(connection: sqlite3.Connection, asked: Sequence[Asked]) -> Mapping[str, bool]:
    """Store transactions and their mails and take from their budgets; whose."""
    begun = {}
    for one in asked:
        with _whole(connection):
            _spend(connection, one.budgets, one.now)
            connection.execute(_BEGIN, _storable(one.transaction))
            connection.execute(_QUEUE, _storable(one.mail))
            begun[one.subject] = True
    return begun


def recipients_of(connection: sqlite3.Connection, transactions: Sequence[UUID]) -> Mapping[UUID, str]:
    """Whom transactions are for; whether they are pending is for the guess to see."""
    found = {}
    for transaction_id in transactions:
        if (row := connection.execute(_RECIPIENT, (transaction_id.hex,)).fetchone()) is not None:
            found[transaction_id] = row[0]
    return found


def judge_all(connection: sqlite3.Connection, guesses: Sequence[Guess]) -> Mapping[str, Judged]:
    """Count guesses and let in who is right, by the account."""
    judged = {}
    for guess in guesses:
        with _whole(connection):
            judged[guess.subject] = _judge(connection, guess)
    return judged


def _judge(connection: sqlite3.Connection, guess: Guess) -> Judged:
    """Raises _LongWay."""
    given = _storable(
        {
            "transaction_id": guess.transaction_id,
            "team_id": guess.session.team_id,
            "environment": guess.session.environment,
            "email": guess.email,
            "identity": guess.identity,
            "now": guess.now,
            "digits": guess.digits,
            "client_digest": guess.client_digest,
            "device_digest": guess.device_digest,
            "seen_after": guess.seen_after,
            "guessed": guess.digest,
        }
    )
    taken = connection.execute(_TAKE_GUESS, given).fetchone()
    if taken is None:
        raise _LongWay
    is_right, is_last = taken
    knows_client, knows_device, user_id, banned_at = connection.execute(_SEEN, given).fetchone()
    if user_id is not None and (banned_at is not None or not knows_device):
        raise _LongWay
    budgets = [(row.key_if_known if knows_client else row.key, row.rate) for row in guess.budgets]
    _spend(connection, budgets, guess.now)
    if not is_right:
        if is_last:
            connection.execute(_TELL, _storable(guess.locked))
        return Judged(None, last=bool(is_last))
    connection.executemany(_REFUND, [(key,) for key, _ in budgets])
    person = connection.execute(_PROVE, _storable(guess.newcomer)).fetchone()
    verified = guess.verified(UUID(person[0]), person[1], list_in(person[2] or "[]"))
    if verified.new_account:
        connection.execute(_TELL, _storable(guess.created))
    opened = {"user_id": verified.grant.user_id}
    connection.execute(_OPEN, _storable({**sign_in.row_of(guess.session), **opened}))
    connection.execute(_TELL, _storable({**guess.opened, **opened}))
    digests = sorted({guess.client_digest, guess.device_digest})
    connection.executemany(_REMEMBER, [(digest, guess.now) for digest in digests])
    return Judged(verified, last=False)


@contextmanager
def _whole(connection: sqlite3.Connection) -> Iterator[None]:
    """The block, or nothing of it where it gives up. What it raises besides undoes the whole batch."""
    connection.execute("SAVEPOINT one")
    try:
        yield
    except _LongWay:
        connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")


def _spend(connection: sqlite3.Connection, budgets: Sequence[tuple[bytes, Rate]], now: int) -> None:
    """Take one from each, as `limits.spend` does. Raises _LongWay where one has none."""
    if not budgets:
        return
    statement, given = _spending(len(budgets))
    wanted = {
        name: value
        for number, (key, rate) in enumerate(budgets)
        for name, value in (
            (f"key_{number}", key),
            (f"ceiling_{number}", rate.count),
            (f"end_{number}", now + rate.period),
        )
    }
    if len(connection.execute(statement, {**given, "now": now, **wanted}).fetchall()) < len(budgets):
        raise _LongWay


@cache
def _spending(many: int) -> tuple[str, dict[str, Any]]:
    return _named(limits.spending("sqlite", many))


def _storable(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: stored(value) for name, value in row.items()}


def _named(statement: ClauseElement) -> tuple[str, dict[str, Any]]:
    """*statement* as text, its parameters by name, and the values it brings itself."""
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    return str(compiled), dict(compiled.params)


_MEET, _ = _named(WHO_ASKS)
_BEGIN, _ = _named(insert(otp_transactions))
_MAIL = [column.name for column in outbox.c if column.name not in ("settled_at", "last_failure")]
_QUEUE, _ = _named(insert(outbox).values(dict.fromkeys(_MAIL)))
_RECIPIENT = "SELECT email FROM otp_transactions WHERE id = ?"
_TAKE_GUESS = """
UPDATE otp_transactions
   SET attempts = attempts + 1,
       state = CASE WHEN digest = :guessed THEN 'consumed' WHEN attempts + 1 >= max_attempts THEN 'locked' ELSE state END
 WHERE id = :transaction_id AND team_id = :team_id AND environment = :environment AND email = :email
   AND state = 'pending' AND attempts < max_attempts AND expires_at > :now AND code_length = :digits
RETURNING digest = :guessed, attempts >= max_attempts
"""
_SEEN = """
SELECT EXISTS (SELECT 1 FROM known_clients WHERE digest = :client_digest AND seen_at > :seen_after),
       EXISTS (SELECT 1 FROM known_clients WHERE digest = :device_digest AND seen_at > :seen_after), u.id, u.banned_at
  FROM (SELECT 1) LEFT JOIN users AS u
    ON u.team_id = :team_id AND u.email_identity = :identity AND u.deleted_at IS NULL
"""
_REFUND = "UPDATE limits SET spent = spent - 1 WHERE key = ? AND spent > 0"
_PROVE = f"""
INSERT INTO users ({", ".join(NEWCOMER)}) VALUES ({", ".join(f":{name}" for name in NEWCOMER)})
    ON CONFLICT (team_id, email_identity) WHERE deleted_at IS NULL DO UPDATE SET email_verified = 1
RETURNING id, email, roles
"""  # noqa: S608 - names of our own columns
_OPEN, _ = _named(insert(sessions))
_TELL, _ = _named(insert(audit_events))
_REMEMBER = """
INSERT INTO known_clients (digest, seen_at) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET seen_at = excluded.seen_at
"""

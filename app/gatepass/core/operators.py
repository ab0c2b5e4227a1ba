"""Operators: the people who run this deployment, and how they get into the console.

There is no default account and no way to sign up. Whoever may use the command line makes a one-time link; whoever opens
it chooses a password. A link works once, for an hour, and the newest one for an operator ends the earlier ones.

Wrong passwords are counted per client address and per operator, but an operator who signed in from an address before
has a budget of his own there, and a link needs no budget at all: a stranger can slow strangers down and lock nobody
out for good.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from passlib.hash import argon2
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    and_,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from gatepass.core import audit, browser_sessions, known_clients, limits
from gatepass.core.browser_sessions import BrowserSession, Kind
from gatepass.core.errors import Conflict, InputRefused, LinkRefused, NotFound, PasswordWrong
from gatepass.core.limits import Budget, Rate
from gatepass.core.schema import HOUR, MINUTE, metadata, upsert
from gatepass.core.server_secret import sha256
from gatepass.core.unit import Unit

LINK_TTL = HOUR
"""How long a one-time link works, in ms."""
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 200
"""Characters (NIST SP 800-63B section 3.1.1.2 asks for length, and for nothing else)."""
PER_CLIENT = (Rate(20, 10 * MINUTE), Rate(100, 24 * HOUR))
PER_OPERATOR = (Rate(10, 10 * MINUTE), Rate(50, 24 * HOUR))
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,98}[a-z0-9])?")
_LINK_LENGTH = 40
_hasher = argon2.using(memory_cost=19 * 1024, time_cost=2, parallelism=1)
"""OWASP's first choice for argon2id at 19 MiB (Password Storage Cheat Sheet)."""


class _OperatorColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    name: Named[str] = Column(String(100), unique=True)
    password: Named[str | None] = Column(String(200))
    created_at: Named[int] = Column(BigInteger)
    password_set_at: Named[int | None] = Column(BigInteger)
    signed_in_at: Named[int | None] = Column(BigInteger)


operators = Table("operators", metadata, _OperatorColumns)


class _LinkColumns(TypedColumns):
    digest: Named[bytes] = Column(LargeBinary(32), primary_key=True)
    operator_id: Named[UUID | None] = Column(Uuid)
    created_at: Named[int] = Column(BigInteger)
    expires_at: Named[int] = Column(BigInteger)


operator_links = Table("operator_links", metadata, _LinkColumns, Index("ix_operator_links_expires_at", "expires_at"))


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. Who has no password yet was invited, and has not opened the link."""

    id: UUID
    name: str
    has_password: bool
    created_at: int
    signed_in_at: int | None


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time link at the one moment its *token* is known. It is *first* when it makes the first operator."""

    token: str = field(repr=False)
    expires_at: int
    operator: Operator | None

    @property
    def path(self) -> str:
        """Where it leads, below the server's public URL."""
        return f"/console/link/{self.token}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in whose budget is spent and whose password is to be checked, beside the event loop, against *password*.

    The name may belong to nobody: then *password* is a decoy, so that the answer takes as long.
    """

    name: str
    operator_id: UUID | None
    password: str = field(repr=False)


def hash_password(password: str) -> str:
    """What is stored for *password*. Takes a tenth of a second and 19 MiB: never on the event loop.

    Raises InputRefused for one that is too short, too long or has a NUL.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or "\0" in password:
        raise InputRefused("password", f"has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    try:
        hashed: str = _hasher.hash(password)
    except UnicodeEncodeError:
        raise InputRefused("password", "has a character that cannot be typed") from None
    return hashed


def check_password(password: str, hashed: str) -> bool:
    """Whether *password* is the one behind *hashed*. As costly as `hash_password`: never on the event loop."""
    if len(password) > LONGEST_PASSWORD or "\0" in password:
        return False
    try:
        return bool(_hasher.verify(password, hashed))
    except UnicodeEncodeError:
        return False


DECOY = "$argon2id$v=19$m=19456,t=2,p=1$+J9zjpHyXsu5d651bu39/w$7PN40bEHdf5vLT3+YrQwKufByNsyXzDq/NQovz5Hxdk"
"""What a password is checked against where there is no operator of that name; the answer is not looked at."""


def normal_name(text: str) -> str:
    """*text* as operators are called. Raises InputRefused."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise InputRefused("name", "has 1 to 100 letters a to z, digits and . _ @ + -")
    return name


def of(row: Mapping[Any, Any]) -> Operator:
    """The operator in a row of all its columns."""
    return Operator(row["id"], row["name"], row["password"] is not None, row["created_at"], row["signed_in_at"])


async def create(unit: Unit, name: str) -> tuple[Operator, Link]:
    """Invite an operator; the link lets that person choose a password. Raises InputRefused, Conflict for a taken name."""
    operator = await _insert(unit, normal_name(name), password=None)
    return operator, await link_for(unit, operator.id)


async def _insert(unit: Unit, name: str, *, password: str | None) -> Operator:
    row = (
        await unit.db.execute(
            upsert(unit.db, operators)
            .values(
                id=unit.mint.uuid4(),
                name=name,
                password=password,
                created_at=unit.now,
                password_set_at=unit.now if password else None,
            )
            .on_conflict_do_nothing(index_elements=[operators.c.name])
            .returning(*operators.c)
        )
    ).one_or_none()
    if row is None:
        raise Conflict("an operator with this name exists")
    await audit.record(unit, audit.Event.OPERATOR_CREATED, detail={"operator_id": str(row.id)})
    return of(row._mapping)


async def list_all(unit: Unit) -> list[Operator]:
    """Every operator, oldest first."""
    rows = await unit.db.execute(select(operators).order_by(operators.c.created_at, operators.c.id))
    return [of(row._mapping) for row in rows]


async def find_by_name(unit: Unit, name: str) -> Operator | None:
    """The operator of that name, or None."""
    row = (await unit.db.execute(select(operators).where(operators.c.name == name.strip().lower()))).one_or_none()
    return of(row._mapping) if row is not None else None


async def get_by_name(unit: Unit, name: str) -> Operator:
    """The operator of that name. Raises NotFound."""
    if (operator := await find_by_name(unit, name)) is None:
        raise NotFound("operator")
    return operator


async def are_there_any(unit: Unit) -> bool:
    """Whether anybody can sign in to the console, or was invited to."""
    return bool(await unit.db.scalar(select(exists(select(operators.c.id)))))


async def remove(unit: Unit, operator_id: UUID) -> None:
    """Take an operator's way in, now: browsers are signed out and links die. Raises NotFound."""
    gone = await unit.db.execute(delete(operators).where(operators.c.id == operator_id).returning(operators.c.id))
    if gone.one_or_none() is None:
        raise NotFound("operator")
    await browser_sessions.close_all(unit, operator_id)
    await unit.db.execute(delete(operator_links).where(operator_links.c.operator_id == operator_id))
    await audit.record(unit, audit.Event.OPERATOR_REMOVED, detail={"operator_id": str(operator_id)})


# One-time links.


async def link_for(unit: Unit, operator_id: UUID) -> Link:
    """A link with which that operator chooses a new password; earlier ones die. Raises NotFound."""
    row = (
        await unit.db.execute(select(operators).where(operators.c.id == operator_id).with_for_update())
    ).one_or_none()
    if row is None:
        raise NotFound("operator")
    link = await _make_link(unit, of(row._mapping))
    await audit.record(unit, audit.Event.OPERATOR_LINK_MADE, detail={"operator_id": str(operator_id)})
    return link


async def first_link(unit: Unit) -> Link | None:
    """A link that makes the first operator; None where there is one already. Earlier ones die."""
    return None if await are_there_any(unit) else await _make_link(unit, None)


async def _make_link(unit: Unit, operator: Operator | None) -> Link:
    operator_id = operator.id if operator else None
    token = unit.mint.alphanumeric(_LINK_LENGTH)
    await unit.db.execute(
        delete(operator_links).where(
            or_(operator_links.c.expires_at <= unit.now, operator_links.c.operator_id.is_not_distinct_from(operator_id))
        )
    )
    await unit.db.execute(
        insert(operator_links).values(
            digest=sha256(token), operator_id=operator_id, created_at=unit.now, expires_at=unit.now + LINK_TTL
        )
    )
    return Link(token, unit.now + LINK_TTL, operator)


def _usable(unit: Unit, token: str) -> ColumnElement[bool]:
    """A link that still works. One that makes the first operator dies with the first operator."""
    nobody = ~exists(select(operators.c.id))
    return and_(
        operator_links.c.digest == sha256(token),
        operator_links.c.expires_at > unit.now,
        or_(operator_links.c.operator_id.is_not(None), nobody),
    )


async def look_at_link(unit: Unit, token: str) -> Link:
    """What a link is for; looking uses nothing up. Raises LinkRefused for one that is used, expired or unknown."""
    row = (await unit.db.execute(select(operator_links).where(_usable(unit, token)))).one_or_none()
    if row is None:
        raise LinkRefused("used, expired or unknown")
    operator = None
    if row.operator_id is not None:
        found = (await unit.db.execute(select(operators).where(operators.c.id == row.operator_id))).one_or_none()
        if found is None:
            raise LinkRefused("its operator was removed")
        operator = of(found._mapping)
    return Link(token, row.expires_at, operator)


async def use_link(unit: Unit, token: str, name: str, hashed: str, value: str) -> Operator:
    """Spend a link: its operator, or the first one under *name*, gets the password behind *hashed* and is signed in.

    The cookie *value* stands for the operator from now on, and no browser that was signed in before does.
    Raises LinkRefused, InputRefused, Conflict.
    """
    spent = (
        await unit.db.execute(
            delete(operator_links).where(_usable(unit, token)).returning(operator_links.c.operator_id)
        )
    ).one_or_none()
    if spent is None:
        raise LinkRefused("used, expired or unknown")
    if spent.operator_id is None:
        operator = await _insert(unit, normal_name(name), password=hashed)
    else:
        operator = await _set_password(unit, spent.operator_id, hashed)
    await browser_sessions.close_all(unit, operator.id)
    await _sign_in(unit, operator, value)
    return operator


async def _set_password(unit: Unit, operator_id: UUID, hashed: str) -> Operator:
    row = (
        await unit.db.execute(
            update(operators)
            .where(operators.c.id == operator_id)
            .values(password=hashed, password_set_at=unit.now)
            .returning(*operators.c)
        )
    ).one_or_none()
    if row is None:
        raise LinkRefused("its operator was removed")
    await audit.record(unit, audit.Event.OPERATOR_PASSWORD_SET, detail={"operator_id": str(operator_id)})
    return of(row._mapping)


# Signing in.


async def begin_sign_in(unit: Unit, name: str) -> Attempt:
    """Spend the budgets of one password; commit, then check it with `check_password`, then `finish_sign_in`.

    Raises TooManyRequests.
    """
    name = name.strip().lower()[:100]
    await limits.spend(unit, *await _budgets(unit, name))
    wanted = name if _NAME.fullmatch(name) else ""  # nobody's; a NUL would break PostgreSQL
    row = (
        await unit.db.execute(select(operators.c.id, operators.c.password).where(operators.c.name == wanted))
    ).one_or_none()
    if row is None or row.password is None:
        return Attempt(name, None, DECOY)
    return Attempt(name, row.id, row.password)


async def finish_sign_in(unit: Unit, attempt: Attempt, value: str, *, right: bool) -> Operator:
    """Sign the operator in whose password was *right*; the cookie *value* stands for him from now on.

    Raises PasswordWrong, the same for a name that nobody has, and for a password that was changed meanwhile.
    """
    row = None
    if right and attempt.operator_id is not None:
        row = (
            await unit.db.execute(
                select(operators)
                .where(operators.c.id == attempt.operator_id, operators.c.password == attempt.password)
                .with_for_update()
            )
        ).one_or_none()
    if row is None:
        raise PasswordWrong("wrong")
    await limits.refund(unit, *await _budgets(unit, attempt.name))
    operator = of(row._mapping)
    await _sign_in(unit, operator, value)
    return operator


async def _sign_in(unit: Unit, operator: Operator, value: str) -> None:
    await browser_sessions.open_for_operator(unit, value, operator.id)
    await unit.db.execute(update(operators).where(operators.c.id == operator.id).values(signed_in_at=unit.now))
    await known_clients.remember_operator(unit, operator.name)
    await audit.record(unit, audit.Event.OPERATOR_SIGNED_IN, detail={"operator_id": str(operator.id)})


async def _budgets(unit: Unit, name: str) -> tuple[Budget, Budget]:
    known = await known_clients.knows_operator(unit, name)
    subject = f"{name}|{unit.caller.network if known else '*'}"
    return (
        Budget("operator_sign_in_per_client", PER_CLIENT, unit.caller.network),
        Budget("operator_sign_in_per_operator", PER_OPERATOR, subject),
    )


async def authenticate(unit: Unit, value: str | None) -> tuple[Operator, BrowserSession] | None:
    """The operator that a cookie's *value* stands for, or None."""
    session = await browser_sessions.find(unit, value, Kind.OPERATOR)
    if session is None:
        return None
    row = (await unit.db.execute(select(operators).where(operators.c.id == session.operator_id))).one_or_none()
    return (of(row._mapping), session) if row is not None else None


async def change_password(unit: Unit, session: BrowserSession, attempt: Attempt, hashed: str) -> int:
    """Give the operator of *attempt*, whose password was right, a new one; sign out every browser but that of *session*.

    How many those were. Raises PasswordWrong for a password that was changed meanwhile.
    """
    if attempt.operator_id is None or attempt.operator_id != session.operator_id:
        raise PasswordWrong("another operator's")
    still = await unit.db.scalar(
        select(operators.c.id)
        .where(operators.c.id == attempt.operator_id, operators.c.password == attempt.password)
        .with_for_update()
    )
    if still is None:
        raise PasswordWrong("changed meanwhile")
    await limits.refund(unit, *await _budgets(unit, attempt.name))
    await _set_password(unit, attempt.operator_id, hashed)
    return await browser_sessions.close_all(unit, attempt.operator_id, but=session.id)

"""Users: one account per mailbox and team, whatever proved it.

Accounts are shared by a team's environments and dialects; sessions are not. Whoever bans or deletes locks the user row
first and ends the sessions in the same transaction; whoever opens a session locks the same row, so nobody banned
meanwhile is ever handed a token (design, section 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    bindparam,
    exists,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import ReturningInsert

from gatepass.core import accounts, audit, sessions
from gatepass.core.addresses import Address
from gatepass.core.errors import ClientUserIdTaken, Conflict, InputRefused, NotFound, UserDeleted
from gatepass.core.ids import find_id
from gatepass.core.schema import metadata, upsert_in
from gatepass.core.unit import Moment, Unit

DEFAULT_ROLES = ("GAMER",)


class _UserColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    team_id: Named[UUID] = Column(Uuid, ForeignKey("teams.id"))
    client_user_id: Named[str | None] = Column(String(512))
    email: Named[str | None] = Column(String(254))
    email_identity: Named[str | None] = Column(String(254))
    email_verified: Named[bool] = Column(Boolean)
    nickname: Named[str] = Column(String(64))
    picture: Named[str | None] = Column(String(2048))
    language: Named[str | None] = Column(String(35))
    roles: Named[Any] = Column(JSON)
    wallets: Named[Any] = Column(JSON)
    test_user: Named[bool] = Column(Boolean)
    created_at: Named[int] = Column(BigInteger)
    banned_at: Named[int | None] = Column(BigInteger)
    ban_reason: Named[str | None] = Column(String(500))
    deleted_at: Named[int | None] = Column(BigInteger)
    fallback_time_zone: Named[str | None] = Column(String(64))
    time_zone_changed_at: Named[int | None] = Column(BigInteger)
    fallback_birth_date: Named[str | None] = Column(String(10))
    birth_date_changed_at: Named[int | None] = Column(BigInteger)
    ingestion_start: Named[str | None] = Column(String(10))
    ingestion_end: Named[str | None] = Column(String(10))


users = Table(
    "users",
    metadata,
    _UserColumns,
    Index("ix_users_team_id_created_at", "team_id", "created_at", "id"),
)
_DELETED = text("deleted_at IS NOT NULL")
Index("ix_users_deleted_at", users.c.deleted_at, sqlite_where=_DELETED, postgresql_where=_DELETED)
_LIVING = text("deleted_at IS NULL")
for _name in ("email_identity", "client_user_id"):
    Index(
        f"uq_users_living_team_id_{_name}",
        users.c.team_id,
        users.c[_name],
        unique=True,
        sqlite_where=_LIVING,
        postgresql_where=_LIVING,
    )


class User(NamedTuple):
    """One account. Instants in epoch ms; dates are `YYYY-MM-DD`, the zone an IANA name. A tuple, as Session is.

    *language* is what its owner chose for mails, a tag of BCP 47; None follows whichever device asks.
    """

    id: UUID
    team_id: UUID
    client_user_id: str | None
    email: str | None
    email_identity: str | None
    email_verified: bool
    nickname: str
    picture: str | None
    language: str | None
    roles: tuple[str, ...]
    wallets: tuple[str, ...]
    test_user: bool
    created_at: int
    banned_at: int | None
    ban_reason: str | None
    deleted_at: int | None
    fallback_time_zone: str | None
    time_zone_changed_at: int | None
    fallback_birth_date: str | None
    birth_date_changed_at: int | None
    ingestion_start: str | None
    ingestion_end: str | None

    @property
    def is_banned(self) -> bool:
        return self.banned_at is not None


def of(row: Mapping[Any, Any]) -> User:
    """The user in a row of all its columns."""
    return User(**{**row, "roles": tuple(row["roles"]), "wallets": tuple(row["wallets"])})


_NAMES = [column.name for column in users.c]
_ROLES, _WALLETS = (_NAMES.index(name) for name in ("roles", "wallets"))


def of_columns(row: Iterable[Any]) -> User:
    """The same from the bare values, in the table's order."""
    values = list(row)
    values[_ROLES], values[_WALLETS] = tuple(values[_ROLES]), tuple(values[_WALLETS])
    return User._make(values)


async def find(unit: Unit, team_id: UUID, user_id: UUID) -> User | None:
    """The living user of that id in that team, or None."""
    row = (await unit.db.execute(_FIND_LIVING, {"user_id": user_id, "in_team": team_id})).one_or_none()
    return of(row._mapping) if row is not None else None


_FIND = select(users).where(users.c.id == bindparam("user_id"), users.c.team_id == bindparam("in_team"))
_FIND_LIVING = _FIND.where(users.c.deleted_at.is_(None))


async def get(unit: Unit, team_id: UUID, user_id: UUID) -> User:
    """The living user of that id in that team. Raises NotFound."""
    if (user := await find(unit, team_id, user_id)) is None:
        raise NotFound("user")
    return user


async def get_undeleted(unit: Unit, team_id: UUID, user_id: UUID) -> User:
    """The living user of that id. Raises UserDeleted for one in its grace period, else NotFound."""
    row = (await unit.db.execute(_FIND, {"user_id": user_id, "in_team": team_id})).one_or_none()
    if row is None:
        raise NotFound("user")
    if row.deleted_at is not None:
        raise UserDeleted
    return of(row._mapping)


async def find_by_address(unit: Unit, team_id: UUID, address: Address) -> User | None:
    """The living user with that mailbox, or None."""
    row = (await unit.db.execute(_FIND_BY_ADDRESS, given(team_id, address))).one_or_none()
    return of(row._mapping) if row is not None else None


_GETS_MAIL_THERE = (
    users.c.team_id == bindparam("in_team"),
    users.c.email_identity == bindparam("mailbox"),
    users.c.deleted_at.is_(None),
)
_FIND_BY_ADDRESS = select(users).where(*_GETS_MAIL_THERE)
HAS_ACCOUNT = exists().where(*_GETS_MAIL_THERE)
"""Whether there is one, inside somebody else's statement; `given` are its parameters."""
CHOSEN_LANGUAGE = select(users.c.language).where(*_GETS_MAIL_THERE).scalar_subquery()
"""The language that its owner chose for mails, likewise."""


def given(team_id: UUID, address: Address) -> dict[str, Any]:
    return {"in_team": team_id, "mailbox": address.identity}


async def prove_address(unit: Unit, team_id: UUID, address: Address) -> tuple[User, bool]:
    """The account of a mailbox that was just proven, made on first sight; True when this call made it.

    Parallel first calls make one account: the insert gives way to a living row already there. Either way the row is
    held until the transaction ends.
    """
    newcomer = new_user(unit, team_id, address=address, email_verified=True)
    user = of((await unit.db.execute(_prove(unit.db.dialect.name), newcomer)).one()._mapping)
    if user.id != newcomer["id"]:
        return user, False
    await audit.record(unit, audit.Event.USER_CREATED, team_id=team_id, user_id=user.id)
    return user, True


@cache
def _prove(dialect: str) -> ReturningInsert[*tuple[Any, ...]]:
    return (
        upsert_in(dialect, users)
        .on_conflict_do_update(
            index_elements=[users.c.team_id, users.c.email_identity],
            index_where=_LIVING,
            set_={"email_verified": True},
        )
        .returning(*users.c)
    )


async def create(
    unit: Unit,
    team_id: UUID,
    *,
    address: Address | None = None,
    client_user_id: str | None = None,
    user_id: UUID | None = None,
    nickname: str | None = None,
    email_verified: bool = False,
    profile: Mapping[str, str | None] | None = None,
) -> User:
    """Make an account; *profile* as `change` takes it.

    Raises ClientUserIdTaken, Conflict when the mailbox or id is taken in this team, InputRefused.
    """
    accounts.check({"client_user_id": client_user_id, "nickname": nickname, **(profile or {})})
    if client_user_id is not None and find_id(client_user_id) is not None:
        await _see_that_it_is_free(unit, team_id, client_user_id)
    newcomer = new_user(
        unit,
        team_id,
        address=address,
        client_user_id=client_user_id,
        user_id=user_id,
        nickname=nickname,
        email_verified=email_verified,
        profile=_stamped(unit, profile or {}),
    )
    row = (await unit.db.execute(_create(unit.db.dialect.name), newcomer)).one_or_none()
    if row is not None:
        await audit.record(unit, audit.Event.USER_CREATED, team_id=team_id, user_id=row.id)
        return of(row._mapping)
    if client_user_id is not None and (taken := await find_by_client_user_id(unit, team_id, client_user_id)):
        raise ClientUserIdTaken(taken.id, taken.created_at)
    raise Conflict("a user with this address or id exists")


@cache
def _create(dialect: str) -> ReturningInsert[*tuple[Any, ...]]:
    return upsert_in(dialect, users).on_conflict_do_nothing().returning(*users.c)


def _stamped(unit: Unit, profile: Mapping[str, object]) -> dict[str, object]:
    """*profile* with the instants at which its zone and birth date were set."""
    stamped: dict[str, object] = dict(profile)
    for name, changed_at in (
        ("fallback_time_zone", "time_zone_changed_at"),
        ("fallback_birth_date", "birth_date_changed_at"),
    ):
        if name in profile:
            stamped[changed_at] = unit.now if profile[name] is not None else None
    return stamped


async def find_by_client_user_id(unit: Unit, team_id: UUID, client_user_id: str) -> User | None:
    """The living user whom the customer calls so, or None. Who has no such name goes by the user id."""
    row = (
        await unit.db.execute(
            select(users).where(
                users.c.team_id == team_id,
                users.c.client_user_id == client_user_id,
                users.c.deleted_at.is_(None),
            )
        )
    ).one_or_none()
    if row is not None:
        return of(row._mapping)
    if (user_id := find_id(client_user_id)) is not None:
        user = await find(unit, team_id, user_id)
        return user if user is not None and user.client_user_id is None else None
    return None


async def _see_that_it_is_free(unit: Unit, team_id: UUID, client_user_id: str, *, but_for: UUID | None = None) -> None:
    """See that no living user goes by that name, the ones included that go by their id. Raises ClientUserIdTaken."""
    taken = await find_by_client_user_id(unit, team_id, client_user_id)
    if taken is not None and taken.id != but_for:
        raise ClientUserIdTaken(taken.id, taken.created_at)


def new_user(
    moment: Moment,
    team_id: UUID,
    *,
    address: Address | None = None,
    client_user_id: str | None = None,
    user_id: UUID | None = None,
    nickname: str | None = None,
    email_verified: bool = False,
    profile: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """The row of an account to be made."""
    return {
        "id": user_id or moment.mint.uuid4(),
        "team_id": team_id,
        "client_user_id": client_user_id,
        "email": address.typed if address else None,
        "email_identity": address.identity if address else None,
        "email_verified": email_verified,
        "nickname": nickname or f"player-{moment.mint.digits(8)}",
        "roles": list(DEFAULT_ROLES),
        "wallets": [],
        "test_user": False,
        "created_at": moment.now,
        **(profile or {}),
    }


async def change(unit: Unit, team_id: UUID, user_id: UUID, **changes: object) -> User:
    """Set any of nickname, picture, language, roles, wallets, test_user, client_user_id, fallback_time_zone,
    fallback_birth_date, ingestion_start, ingestion_end.

    Raises NotFound, ClientUserIdTaken, InputRefused.
    """
    accounts.check(changes)
    name = changes.get("client_user_id")
    if isinstance(name, str):
        await _see_that_it_is_free(unit, team_id, name, but_for=user_id)
    statement = (
        update(users)
        .where(users.c.id == user_id, users.c.team_id == team_id, users.c.deleted_at.is_(None))
        .values(_stamped(unit, changes))
        .returning(*users.c)
    )
    try:
        async with unit.db.begin_nested():
            row = (await unit.db.execute(statement)).one_or_none()
    except IntegrityError:
        await _see_that_it_is_free(unit, team_id, str(name), but_for=user_id)
        raise
    if row is None:
        raise NotFound("user")
    await audit.record(
        unit,
        audit.Event.USER_CHANGED,
        team_id=team_id,
        user_id=user_id,
        detail={"changed": ", ".join(sorted(changes))},
    )
    return of(row._mapping)


async def ban(unit: Unit, team_id: UUID, user_id: UUID, reason: str = "") -> User:
    """Suspend an account and end all its sessions at once. *reason* is shown to its owner, up to 500 characters.

    Raises NotFound, InputRefused.
    """
    if len(reason) > 500 or "\0" in reason:
        raise InputRefused("reason", "has at most 500 characters")
    user = await lock(unit, team_id, user_id)
    row = (
        await unit.db.execute(
            update(users)
            .where(users.c.id == user.id)
            .values(banned_at=user.banned_at or unit.now, ban_reason=reason)
            .returning(*users.c)
        )
    ).one()
    await sessions.end_all(unit, team_id, user_id, sessions.Cause.BANNED)
    await audit.record(unit, audit.Event.USER_BANNED, team_id=team_id, user_id=user_id)
    return of(row._mapping)


async def unban(unit: Unit, team_id: UUID, user_id: UUID) -> User:
    """Let an account sign in again. Reopens no session. Raises NotFound."""
    user = await lock(unit, team_id, user_id)
    row = (
        await unit.db.execute(
            update(users).where(users.c.id == user.id).values(banned_at=None, ban_reason=None).returning(*users.c)
        )
    ).one()
    if user.is_banned:
        await audit.record(unit, audit.Event.USER_UNBANNED, team_id=team_id, user_id=user_id)
    return of(row._mapping)


async def lock(unit: Unit, team_id: UUID, user_id: UUID) -> User:
    """The living user, its row held until the transaction ends. Raises NotFound."""
    row = (await unit.db.execute(_LOCK, {"user_id": user_id, "in_team": team_id})).one_or_none()
    if row is None:
        raise NotFound("user")
    return of(row._mapping)


_LOCK = _FIND_LIVING.with_for_update()

"""API keys, in two kinds that never stand in for each other.

A *secret* key is a server's and opens everything in one team. A *publishable* key ships inside an app, names a team and
an environment, and opens nothing by itself. Both are stored as the SHA-256 of a high-entropy text and shown once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    LargeBinary,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    insert,
    select,
    update,
)

from gatepass.core import audit, teams
from gatepass.core.errors import ApiKeyUnknown, Conflict, DevelopmentKeyRefused, InputRefused, NotFound
from gatepass.core.schema import metadata
from gatepass.core.server_secret import sha256
from gatepass.core.sessions import Audience, Surface
from gatepass.core.teams import Team, TeamEnvironment
from gatepass.core.unit import Unit

_KEY = re.compile(r"[\x21-\x7e]{16,4096}")
_JUNCTION_PREFIX = re.compile(r"[sp]k_(us|eu)_")
_RANDOM_CHARACTERS = 40


class Kind(StrEnum):
    SECRET = "secret"
    PUBLISHABLE = "publishable"


class Environment(StrEnum):
    """What a publishable key is for; sessions and proofs of one never work in the other."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class _ApiKeyColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    team_id: Named[UUID] = Column(Uuid, ForeignKey("teams.id"), index=True)
    kind: Named[str] = Column(String(11))
    environment: Named[str | None] = Column(String(11))
    digest: Named[bytes] = Column(LargeBinary(32), unique=True)
    visible: Named[str] = Column(String(16))
    created_at: Named[int] = Column(BigInteger)
    revoked_at: Named[int | None] = Column(BigInteger)


api_keys = Table("api_keys", metadata, _ApiKeyColumns)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key, without its secret; *visible* is its beginning, to recognise it by."""

    id: UUID
    team_id: UUID
    kind: Kind
    environment: Environment | None
    visible: str
    created_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key at the one moment its text is known."""

    stored: ApiKey
    text: str

    def __repr__(self) -> str:
        return f"NewApiKey({self.stored!r})"


@dataclass(frozen=True, slots=True)
class App:
    """What a publishable key names: the team and the environment that the caller speaks for.

    *key_id* is None where no key was needed: on the team's own account pages.
    """

    team: Team
    environment: Environment
    key_id: UUID | None

    @property
    def audience(self) -> Audience:
        """Where a caller with this key stands."""
        return Audience(Surface.ELIXIR, self.team.id, self.environment.value)


def _of(row: Mapping[Any, Any]) -> ApiKey:
    fields = {name: row[name] for name in ApiKey.__slots__}
    fields["kind"] = Kind(fields["kind"])
    fields["environment"] = Environment(fields["environment"]) if fields["environment"] else None
    return ApiKey(**fields)


async def create(unit: Unit, team_id: UUID, kind: Kind, environment: Environment | None = None) -> NewApiKey:
    """Make a key of a team; a publishable one needs an environment. Raises NotFound, InputRefused."""
    team = await teams.get(unit, team_id)
    text = _prefix(team, kind) + unit.mint.alphanumeric(_RANDOM_CHARACTERS)
    return NewApiKey(await _store(unit, team, kind, environment, text, visible=text[:-32]), text)


async def adopt(unit: Unit, team_id: UUID, kind: Kind, environment: Environment | None, presented: str) -> ApiKey:
    """Take over a key that another system issued, so that apps already shipped keep working.

    Raises NotFound, InputRefused (not 16 to 4 096 visible ASCII characters; a secret below 32; a Junction prefix that
    disagrees with the team), Conflict (known).
    """
    team = await teams.get(unit, team_id)
    if not _KEY.fullmatch(presented) or (kind is Kind.SECRET and len(presented) < 32):
        raise InputRefused("key", "has 16 to 4096 visible ASCII characters, a secret one at least 32")
    if kind is Kind.SECRET and (named := _JUNCTION_PREFIX.match(presented)) and named[0] != _prefix(team, kind):
        raise InputRefused("key", f"is of another environment or region: this team's begin with {_prefix(team, kind)}")
    known = await unit.db.scalar(select(api_keys.c.id).where(api_keys.c.digest == sha256(presented)))
    if known is not None:
        raise Conflict("this key is known already")
    return await _store(unit, team, kind, environment, presented, visible=presented[: min(8, len(presented) // 4)])


async def _store(
    unit: Unit, team: Team, kind: Kind, environment: Environment | None, text: str, *, visible: str
) -> ApiKey:
    if (kind is Kind.PUBLISHABLE) != (environment is not None):
        raise InputRefused("environment", "goes with a publishable key, and only with one")
    key = ApiKey(unit.mint.uuid4(), team.id, kind, environment, visible, unit.now, None)
    await unit.db.execute(
        insert(api_keys).values(
            id=key.id,
            team_id=team.id,
            kind=kind.value,
            environment=environment.value if environment else None,
            digest=sha256(text),
            visible=visible,
            created_at=unit.now,
        )
    )
    await audit.record(
        unit, audit.Event.KEY_CREATED, team_id=team.id, detail={"key_id": str(key.id), "kind": kind.value}
    )
    return key


def _prefix(team: Team, kind: Kind) -> str:
    """`pub_`, or Junction's `sk_us_`, `pk_eu_`... (contract junction, section 3)."""
    if kind is Kind.PUBLISHABLE:
        return "pub_"
    return f"{'pk' if team.environment is TeamEnvironment.PRODUCTION else 'sk'}_{team.region}_"


async def authenticate_app(unit: Unit, presented: str | None) -> App:
    """The team and environment that a publishable key names.

    Raises ApiKeyUnknown, DevelopmentKeyRefused (contract elixir, section 4.1).
    """
    key, team = await _authenticate(unit, presented, Kind.PUBLISHABLE)
    environment = Environment(key.environment or "")
    if environment is Environment.DEVELOPMENT and not team.accept_development_keys:
        raise DevelopmentKeyRefused("the team accepts no development keys")
    return App(team, environment, key.id)


async def _authenticate(unit: Unit, presented: str | None, kind: Kind) -> tuple[ApiKey, Team]:
    if presented is None or not _KEY.fullmatch(presented):
        raise ApiKeyUnknown("missing or malformed")
    row = (
        await unit.db.execute(
            select(*api_keys.c, *(column.label(f"team__{column.name}") for column in teams.teams.c))
            .join(teams.teams, teams.teams.c.id == api_keys.c.team_id)
            .where(api_keys.c.digest == sha256(presented), api_keys.c.kind == kind.value)
        )
    ).one_or_none()
    if row is None or row.revoked_at is not None or row.team__removed_at is not None:
        raise ApiKeyUnknown("unknown" if row is None else "revoked")
    unit.used_key = row.team_id, row.id
    return _of(row._mapping), teams.of({name: row._mapping[f"team__{name}"] for name in Team.__slots__})


async def authenticate_team(unit: Unit, presented: str | None) -> tuple[ApiKey, Team]:
    """The team that a secret key opens, and the key. Raises ApiKeyUnknown."""
    return await _authenticate(unit, presented, Kind.SECRET)


async def is_live(unit: Unit, key_id: UUID) -> bool:
    """Whether the key exists and was not revoked."""
    found = await unit.db.scalar(select(api_keys.c.id).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)))
    return found is not None


async def list_keys(unit: Unit, team_id: UUID) -> list[ApiKey]:
    """A team's keys, oldest first, revoked ones too. Raises NotFound."""
    await teams.get(unit, team_id)
    rows = await unit.db.execute(
        select(api_keys).where(api_keys.c.team_id == team_id).order_by(api_keys.c.created_at, api_keys.c.id)
    )
    return [_of(row._mapping) for row in rows]


async def revoke(unit: Unit, key_id: UUID, *, team_id: UUID | None = None) -> ApiKey:
    """From this commit on the key opens nothing. Sessions stay: they belong to the team, not to a key.

    Revoking twice is the same as once. Raises NotFound, also for another team's than *team_id*, if given.
    """
    unit.changes_keys = True
    this = [api_keys.c.id == key_id, *([api_keys.c.team_id == team_id] if team_id is not None else [])]
    row = (
        await unit.db.execute(
            update(api_keys)
            .where(*this, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=unit.now)
            .returning(*api_keys.c)
        )
    ).one_or_none()
    if row is None:
        row = (await unit.db.execute(select(api_keys).where(*this))).one_or_none()
        if row is None:
            raise NotFound("key")
        return _of(row._mapping)
    await audit.record(unit, audit.Event.KEY_REVOKED, team_id=row.team_id, detail={"key_id": str(key_id)})
    return _of(row._mapping)

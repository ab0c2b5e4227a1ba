"""Signing keys: two rings that never stand in for each other.

The *access* ring (ES256, one for the deployment) signs access tokens and is public in the JWKS; the *sign-in* ring
(RS256, one per team, the mobile SDKs insist) signs sign-in tokens. A ring is rotated without a restart: a new key is
published first, signs from its activation on, and the old one verifies until the last token it signed has died.
Private keys rest sealed under the server's secret.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    Named,
    String,
    Table,
    TypedColumns,
    UniqueConstraint,
    Uuid,
    bindparam,
    select,
    update,
)

from gatepass.core import audit
from gatepass.core.schema import HOUR, MINUTE, SECOND, metadata, upsert
from gatepass.core.server_secret import SealBroken, ServerSecret, sha256
from gatepass.core.unit import Unit

PUBLISHED_BEFORE = 10 * MINUTE
"""How long a new key is in the JWKS before it signs: longer than verifiers may cache (its max-age is half of that)."""
KNOWN_EVERYWHERE = 2 * SECOND
"""How long until every process has read a new key: each reads its rings again when its copy is a second old."""
LONGEST_SIGN_IN_TOKEN = HOUR
LEEWAY = MINUTE
DEPLOYMENT = UUID(int=0)
"""The scope of the ring that no team owns."""
_PURPOSE = "signing-key"


class Ring(StrEnum):
    ACCESS = "access"
    SIGN_IN = "sign_in"

    @property
    def algorithm(self) -> str:
        return "ES256" if self is Ring.ACCESS else "RS256"


class _SigningKeyColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    ring: Named[str] = Column(String(7))
    scope: Named[UUID] = Column(Uuid)
    serial: Named[int] = Column(Integer)
    kid: Named[str] = Column(String(32), unique=True)
    sealed: Named[bytes] = Column(LargeBinary)
    public_jwk: Named[Any] = Column(JSON)
    created_at: Named[int] = Column(BigInteger)
    activates_at: Named[int] = Column(BigInteger)
    verifies_until: Named[int | None] = Column(BigInteger)


signing_keys = Table("signing_keys", metadata, _SigningKeyColumns, UniqueConstraint("ring", "scope", "serial"))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of a ring, its objects parsed. *verifies_until* is None while no successor is set. Instants in ms."""

    id: UUID
    ring: Ring
    scope: UUID
    serial: int
    kid: str
    private: Any = field(repr=False)
    public: Any = field(repr=False)
    public_jwk: dict[str, str]
    created_at: int
    activates_at: int
    verifies_until: int | None

    def verifies(self, now: int) -> bool:
        """Whether a token it signed may still live."""
        return self.verifies_until is None or now < self.verifies_until


@dataclass(frozen=True, slots=True)
class Fresh:
    """A key pair just made, not yet stored."""

    pem: bytes = field(repr=False)
    public_jwk: dict[str, str]
    kid: str


def generate(ring: Ring, scope: UUID) -> Fresh:
    """Make a key pair; RSA takes a tenth of a second, so call it off the event loop and outside a transaction."""
    private: Any = (
        ec.generate_private_key(ec.SECP256R1())
        if ring is Ring.ACCESS
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    algorithm = jwt.get_algorithm_by_name(ring.algorithm)
    jwk = json.loads(algorithm.to_jwk(private.public_key()))
    members = ("kty", "crv", "x", "y") if ring is Ring.ACCESS else ("kty", "n", "e")
    public = {name: jwk[name] for name in members}
    thumbprint = sha256(json.dumps(public, sort_keys=True, separators=(",", ":"))).hex()
    # The first two segments of a sign-in token hold no `-` or `_` (contract junction, T4): its kid is hexadecimal.
    kid = f"a{thumbprint[:15]}" if ring is Ring.ACCESS else f"t{scope.hex[:8]}{thumbprint[:8]}"
    return Fresh(pem, {**public, "alg": ring.algorithm, "use": "sig", "kid": kid}, kid)


async def keys_of(unit: Unit, ring: Ring, scope: UUID) -> list[SigningKey]:
    """A ring's keys that may still verify something, oldest first."""
    rows = await unit.db.execute(_OF_RING, {"of_ring": ring.value, "in_scope": scope})
    return [key for row in rows if (key := _of(unit, dict(row._mapping))).verifies(unit.now)]


_OF_RING = (
    select(signing_keys)
    .where(signing_keys.c.ring == bindparam("of_ring"), signing_keys.c.scope == bindparam("in_scope"))
    .order_by(signing_keys.c.serial)
)


def _of(unit: Unit, row: dict[str, Any]) -> SigningKey:
    private, ring = _opened(unit.secret, row.pop("sealed")), Ring(row["ring"])
    kid = _kid(unit, ring, row["kid"])
    known = {"ring": ring, "kid": kid, "public_jwk": {**row["public_jwk"], "kid": kid}}
    return SigningKey(**{**row, **known, "private": private, "public": private.public_key()})


def _kid(unit: Unit, ring: Ring, stored: str) -> str:
    """What a key is called in tokens: in test mode another name, under which no production server knows it."""
    return f"test-{stored}" if unit.policy.test_mode and ring is Ring.ACCESS else stored


@lru_cache(maxsize=10_000)
def _opened(secret: ServerSecret, sealed: bytes) -> Any:
    """The private key, parsed once per process. Raises SealBroken."""
    return load_pem_private_key(secret.open(_PURPOSE, sealed), password=None, unsafe_skip_rsa_key_validation=True)


def signer_of(keys: list[SigningKey], now: int) -> SigningKey | None:
    """The key that signs now: the newest active one. None for an empty ring."""
    active = [key for key in keys if key.activates_at <= now]
    return active[-1] if active else (keys[0] if keys else None)


async def store_first(unit: Unit, ring: Ring, scope: UUID, fresh: Fresh) -> None:
    """Put the first key into an empty ring; of two processes that try, one wins and both go on with its key."""
    await _insert(unit, ring, scope, fresh, serial=1, activates_at=unit.now)


async def rotate(unit: Unit, ring: Ring, scope: UUID, fresh: Fresh, *, at_once: bool = False) -> SigningKey | None:
    """Publish *fresh* as the ring's next key; it signs ten minutes from now, or *at_once* in two seconds.

    At once, whoever verifies with a JWKS fetched earlier refuses new tokens until it fetches that again.

    The key before verifies until the last token it may sign has died. None when another process rotated meanwhile.
    """
    keys = await keys_of(unit, ring, scope)
    activates_at = unit.now + (KNOWN_EVERYWHERE if at_once else PUBLISHED_BEFORE)
    life = unit.policy.junction_access_ttl if ring is Ring.ACCESS else LONGEST_SIGN_IN_TOKEN
    serial = keys[-1].serial + 1 if keys else 1
    if not await _insert(unit, ring, scope, fresh, serial=serial, activates_at=activates_at):
        return None
    await unit.db.execute(
        update(signing_keys)
        .where(
            signing_keys.c.ring == ring.value,
            signing_keys.c.scope == scope,
            signing_keys.c.serial < serial,
            signing_keys.c.verifies_until.is_(None),
        )
        .values(verifies_until=activates_at + life + 2 * LEEWAY)
    )
    await audit.record(
        unit,
        audit.Event.SIGNING_KEY_ROTATED,
        team_id=None if scope == DEPLOYMENT else scope,
        detail={"ring": ring.value, "kid": fresh.kid},
    )
    return (await keys_of(unit, ring, scope))[-1]


async def _insert(unit: Unit, ring: Ring, scope: UUID, fresh: Fresh, *, serial: int, activates_at: int) -> bool:
    inserted = await unit.db.execute(
        upsert(unit.db, signing_keys)
        .values(
            id=unit.mint.uuid7(unit.now),
            ring=ring.value,
            scope=scope,
            serial=serial,
            kid=fresh.kid,
            sealed=unit.secret.seal(_PURPOSE, fresh.pem),
            public_jwk=fresh.public_jwk,
            created_at=unit.now,
            activates_at=activates_at,
        )
        .on_conflict_do_nothing()
        .returning(signing_keys.c.id)
    )
    return inserted.one_or_none() is not None


class State(StrEnum):
    """Where a key stands: published and waiting, signing, still verifying, or past that too."""

    WAITING = "waiting"
    SIGNING = "signing"
    RETIRING = "retiring"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Listed:
    """A key as operators see it, its private half left sealed. Instants in ms."""

    ring: Ring
    scope: UUID
    kid: str
    created_at: int
    activates_at: int
    verifies_until: int | None
    state: State


async def list_all(unit: Unit, scope: UUID | None = None) -> list[Listed]:
    """Every key of every ring, or of the rings of *scope*, oldest first; for operators."""
    s = signing_keys.c
    query = select(s.ring, s.scope, s.kid, s.created_at, s.activates_at, s.verifies_until)
    if scope is not None:
        query = query.where(s.scope == scope)
    rows = (await unit.db.execute(query.order_by(s.ring, s.scope, s.serial))).all()
    signing = {
        (row.ring, row.scope): row.kid for row in reversed(rows)
    }  # of a ring where none is active yet, the first
    signing |= {(row.ring, row.scope): row.kid for row in rows if row.activates_at <= unit.now}

    def state(row: Any) -> State:
        if row.kid == signing.get((row.ring, row.scope)):
            return State.SIGNING
        if row.activates_at > unit.now:
            return State.WAITING
        return State.RETIRING if unit.now < row.verifies_until else State.DEAD

    return [
        Listed(
            **{**row._mapping, "ring": (ring := Ring(row.ring)), "kid": _kid(unit, ring, row.kid), "state": state(row)}
        )
        for row in rows
    ]


async def reseal(unit: Unit) -> int:
    """Seal every key under the first listed secret, so that the others can be dropped; how many were not."""
    rows = (await unit.db.execute(select(signing_keys.c.id, signing_keys.c.sealed))).all()
    resealed = [(row.id, sealed) for row in rows if (sealed := unit.secret.reseal(_PURPOSE, row.sealed)) is not None]
    for key_id, sealed in resealed:
        await unit.db.execute(update(signing_keys).where(signing_keys.c.id == key_id).values(sealed=sealed))
    return len(resealed)


def opens(secret: ServerSecret, sealed: bytes) -> bool:
    """Whether *secret* is the one, or lists the one, that a stored key is sealed under."""
    try:
        secret.open(_PURPOSE, sealed)
    except SealBroken:
        return False
    return True


def pem_of(key: SigningKey) -> str:
    """The private key in PKCS#8 PEM, for a backend that mints sign-in tokens by itself (firebase-admin)."""
    pem: bytes = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()

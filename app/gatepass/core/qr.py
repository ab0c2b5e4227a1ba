"""QR values and reikeys: a signed-in session vouches for one more device.

A QR value is shown by one session and scanned once within two minutes; a reikey is the same coin made with a
development key, for desktop clients and tests. Both are a random UUID, stored as a digest, spent by compare-and-set.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    Named,
    Row,
    String,
    Table,
    TypedColumns,
    Uuid,
    and_,
    insert,
    select,
    update,
)

from gatepass.core import audit, limits, new_devices, sessions, sign_in, users
from gatepass.core.api_keys import App, Environment
from gatepass.core.errors import DevelopmentKeyRefused, Forbidden, NotFound, ProofRefused, QrRefused, ReikeyRefused
from gatepass.core.ids import find_id
from gatepass.core.limits import Budget
from gatepass.core.schema import metadata
from gatepass.core.server_secret import sha256
from gatepass.core.sessions import Device, Grant, Proof, Session
from gatepass.core.unit import Unit

PREFIX = "REIKEY:"


class Kind(StrEnum):
    QR = "qr"
    REIKEY = "reikey"


class State(StrEnum):
    PENDING = "pending"
    CONSUMED = "consumed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class _QrColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    kind: Named[str] = Column(String(6))
    digest: Named[bytes] = Column(LargeBinary(32), unique=True)
    team_id: Named[UUID] = Column(Uuid)
    environment: Named[str] = Column(String(11))
    user_id: Named[UUID] = Column(Uuid)
    issuer_id: Named[UUID | None] = Column(Uuid)
    state: Named[str] = Column(String(9))
    created_at: Named[int] = Column(BigInteger)
    expires_at: Named[int] = Column(BigInteger, index=True)
    device_model: Named[str | None] = Column(String(255))
    session_id: Named[UUID | None] = Column(Uuid)


qr_codes = Table("qr_codes", metadata, _QrColumns, Index("ix_qr_codes_issuer_id", "issuer_id"))


@dataclass(frozen=True, slots=True)
class Shown:
    """A value at the one moment it is known. *expires_at* epoch ms, *life* ms."""

    id: UUID
    value: UUID = field(repr=False)
    user_id: UUID
    expires_at: int
    life: int


@dataclass(frozen=True, slots=True)
class QrCode:
    """What became of a shown value; *device_model* and *session_id* are of whoever scanned it."""

    id: UUID
    state: State
    device_model: str | None
    session_id: UUID | None
    expires_at: int


async def show(unit: Unit, issuer: Session, *, environment: Environment | None = None) -> Shown:
    """A fresh value for *issuer*'s screen; its previous unused one is cancelled (contract elixir, X1).

    It opens a session in *environment*, by default the issuer's: accounts are shared by both (contract elixir, D25).

    Parallel calls of one session take turns at its row, so that only the last one's value is good.
    """
    await unit.db.execute(select(sessions.sessions.c.id).where(sessions.sessions.c.id == issuer.id).with_for_update())
    await unit.db.execute(
        update(qr_codes)
        .where(qr_codes.c.issuer_id == issuer.id, qr_codes.c.state == State.PENDING.value)
        .values(state=State.CANCELLED.value)
    )
    shown = await _make(unit, Kind.QR, issuer.team_id, environment or issuer.environment, issuer.user_id, issuer.id)
    await audit.record(unit, audit.Event.QR_SHOWN, team_id=issuer.team_id, user_id=issuer.user_id, session_id=issuer.id)
    return shown


async def make_reikey(unit: Unit, app: App, player: str | None) -> Shown:
    """A one-time key for the application's owner, or for a test user of it (contract elixir, S2).

    *player* is a user id. Raises DevelopmentKeyRefused with a production key, Forbidden for anyone else.
    """
    if app.environment is not Environment.DEVELOPMENT:
        raise DevelopmentKeyRefused("only a development key makes reikeys")
    user_id = app.team.owner_id if player is None else find_id(player)
    user = await users.find(unit, app.team.id, user_id) if user_id is not None else None
    if user is None or not (user.test_user or user.id == app.team.owner_id):
        raise Forbidden("neither the owner nor a test user")
    return await _make(unit, Kind.REIKEY, app.team.id, app.environment.value, user.id, None)


async def _make(
    unit: Unit, kind: Kind, team_id: UUID, environment: str, user_id: UUID, issuer_id: UUID | None
) -> Shown:
    life = unit.policy.qr_ttl
    shown = Shown(unit.mint.uuid4(), unit.mint.uuid4(), user_id, unit.now + life, life)
    await unit.db.execute(
        insert(qr_codes).values(
            id=shown.id,
            kind=kind.value,
            digest=sha256(str(shown.value)),
            team_id=team_id,
            environment=environment,
            user_id=user_id,
            issuer_id=issuer_id,
            state=State.PENDING.value,
            created_at=unit.now,
            expires_at=shown.expires_at,
        )
    )
    return shown


async def scan(unit: Unit, app: App, presented: str, *, device: Device) -> Grant:
    """Trade a scanned value (`REIKEY:` and a UUID, or the bare UUID) for a session of its own; once.

    Raises QrRefused, UserBanned, TooManyRequests.
    """
    return await _redeem(unit, app, presented.strip().removeprefix(PREFIX), (Kind.QR, Kind.REIKEY), QrRefused, device)


async def redeem_reikey(unit: Unit, app: App, presented: str) -> Grant:
    """Trade a reikey for a session (contract elixir, S3). Raises ReikeyRefused, UserBanned, TooManyRequests."""
    return await _redeem(unit, app, presented, (Kind.REIKEY,), ReikeyRefused, Device())


async def _redeem(
    unit: Unit, app: App, presented: str, kinds: tuple[Kind, ...], refusal: type[ProofRefused], device: Device
) -> Grant:
    guessing = Budget(
        "wrong_codes_per_client", unit.policy.limits.wrong_codes_per_client, f"{app.team.id}|{unit.caller.network}"
    )
    await limits.spend(unit, guessing)
    digest = _digest(presented)
    row = await _consume(unit, app, digest, kinds, device)
    if row is None:
        await _expire(unit, qr_codes.c.digest == digest)
        raise refusal("unknown, expired, used, cancelled or foreign")
    await limits.refund(unit, guessing)
    try:
        user = await users.lock(unit, app.team.id, row.user_id)
    except NotFound as error:
        raise refusal("its user is gone") from error
    if not user.is_banned and not await _still_vouches(unit, row.issuer_id):
        raise refusal("the session that showed it has ended")
    proof = Proof(row.kind)
    grant = await sign_in.open_for(unit, user, app.audience, proof, device=device, opened_by=row.issuer_id)
    await unit.db.execute(update(qr_codes).where(qr_codes.c.id == row.id).values(session_id=grant.session_id))
    await new_devices.meet(unit, app.team, user, grant, device)
    return grant


async def _still_vouches(unit: Unit, issuer_id: UUID | None) -> bool:
    """Whether the session that showed the value is open; a reikey was shown by none.

    Asked only for a user in good standing: a ban ends the issuer too, and its owner is to read why (contract, E5).
    """
    issuer = await sessions.find(unit, issuer_id) if issuer_id is not None else None
    return issuer_id is None or (issuer is not None and issuer.is_open(unit.now))


def _digest(presented: str) -> bytes:
    """Under which a value is stored. What is no value at all is as unknown as one that was never shown."""
    return sha256(str(find_id(presented)))


async def _expire(unit: Unit, which: ColumnElement[bool]) -> None:
    """Settle what is past its life; a clock that jumps back revives nothing."""
    await unit.db.execute(
        update(qr_codes)
        .where(which, qr_codes.c.state == State.PENDING.value, qr_codes.c.expires_at <= unit.now)
        .values(state=State.EXPIRED.value)
    )


async def _consume(
    unit: Unit, app: App, digest: bytes, kinds: tuple[Kind, ...], device: Device
) -> Row[UUID, str, UUID, UUID | None] | None:
    """Spend the value, atomically; None when it cannot be spent."""
    return (
        await unit.db.execute(
            update(qr_codes)
            .where(
                qr_codes.c.digest == digest,
                qr_codes.c.kind.in_([kind.value for kind in kinds]),
                qr_codes.c.team_id == app.team.id,
                qr_codes.c.environment == app.environment.value,
                qr_codes.c.state == State.PENDING.value,
                qr_codes.c.expires_at > unit.now,
            )
            .values(state=State.CONSUMED.value, device_model=device.model)
            .returning(qr_codes.c.id, qr_codes.c.kind, qr_codes.c.user_id, qr_codes.c.issuer_id)
        )
    ).one_or_none()


async def look(unit: Unit, issuer: Session, qr_id: UUID) -> QrCode:
    """The state of a value that *issuer* showed. Raises NotFound for anyone else's."""
    its_own = and_(qr_codes.c.id == qr_id, qr_codes.c.issuer_id == issuer.id)
    await _expire(unit, its_own)
    row = (await unit.db.execute(select(qr_codes).where(its_own))).one_or_none()
    if row is None:
        raise NotFound("qr code")
    return QrCode(row.id, State(row.state), row.device_model, row.session_id, row.expires_at)


async def cancel(unit: Unit, issuer: Session, qr_id: UUID) -> QrCode:
    """Make an unused value worthless; one that is settled stays as it is. Raises NotFound."""
    await unit.db.execute(
        update(qr_codes)
        .where(
            qr_codes.c.id == qr_id,
            qr_codes.c.issuer_id == issuer.id,
            qr_codes.c.state == State.PENDING.value,
            qr_codes.c.expires_at > unit.now,
        )
        .values(state=State.CANCELLED.value)
    )
    return await look(unit, issuer, qr_id)


async def close_reikey_session(unit: Unit, bearer: Session, presented: str) -> None:
    """End the session that this reikey opened, asked for by that very session (contract elixir, S4).

    Raises Forbidden.
    """
    opened = await unit.db.scalar(
        select(qr_codes.c.session_id).where(
            qr_codes.c.digest == _digest(presented), qr_codes.c.kind == Kind.REIKEY.value
        )
    )
    if opened != bearer.id:
        raise Forbidden("the reikey opened another session, or none")
    await sessions.end(unit, bearer.id, sessions.Cause.SIGNED_OUT)

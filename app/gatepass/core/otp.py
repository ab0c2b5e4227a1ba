"""One-time codes by e-mail: ask, receive, prove.

A transaction answers only to its own code and its own few guesses, so a stranger can neither cancel a pending code nor
spend its guesses without knowing the transaction id (contract elixir, D6). Every way of asking looks the same from
outside: where nobody may sign in the transaction is a decoy that runs through the same statements and never verifies.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    Named,
    Row,
    String,
    Table,
    TypedColumns,
    Uuid,
    bindparam,
    insert,
    select,
    update,
)

from gatepass.core import audit, known_clients, limits, new_devices, outbox, sign_in, users
from gatepass.core.addresses import Address
from gatepass.core.api_keys import App, Environment
from gatepass.core.errors import CodeMalformed, CodeWrong, OtpExpired, OtpLocked, OtpUnknown
from gatepass.core.facts import Fact
from gatepass.core.ids import find_id
from gatepass.core.limits import Budget
from gatepass.core.outbox import Claimed
from gatepass.core.schema import MINUTE, metadata
from gatepass.core.sessions import Device, Grant, Proof
from gatepass.core.teams import SignUp
from gatepass.core.unit import Moment, Unit

_PURPOSE = "otp-code"
_SHORT_CODE = 5
_NOBODYS = UUID(int=0)
"""Stands for what is no id at all: as unknown as one that was never issued, by the same statements."""


class State(StrEnum):
    PENDING = "pending"
    CONSUMED = "consumed"
    EXPIRED = "expired"
    LOCKED = "locked"


class _OtpColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    team_id: Named[UUID] = Column(Uuid)
    environment: Named[str] = Column(String(11))
    email: Named[str] = Column(String(254))
    digest: Named[bytes] = Column(LargeBinary(32))
    code_length: Named[int] = Column(Integer)
    attempts: Named[int] = Column(Integer)
    max_attempts: Named[int] = Column(Integer)
    state: Named[str] = Column(String(8))
    created_at: Named[int] = Column(BigInteger)
    expires_at: Named[int] = Column(BigInteger, index=True)


otp_transactions = Table("otp_transactions", metadata, _OtpColumns)


@dataclass(frozen=True, slots=True)
class Requested:
    """A transaction just begun. *code* is None unless the caller may see it (development keys, where exposed)."""

    transaction_id: UUID
    code: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verified:
    """A session opened by a code; *new_account* when this very call made the account."""

    grant: Grant
    new_account: bool


@dataclass(frozen=True, slots=True)
class Asker:
    """What is known of who asks: whether from a client address of this account's, and its owner's language for mails."""

    is_known: bool
    has_account: bool
    language: str | None


@dataclass(frozen=True, slots=True)
class Beginning:
    """A transaction about to begin: its row, its mail, the budgets it takes from, and the answer."""

    transaction: dict[str, Any] = field(repr=False)
    mail: Claimed = field(repr=False)
    budgets: tuple[Budget, ...]
    requested: Requested

    @property
    def fact(self) -> Fact | None:
        """What is counted once it has begun; a decoy is not."""
        return Fact.CODE_SENT if self.mail.delivery else None


async def request(unit: Unit, app: App, address: Address, *, locale: str = "en") -> Requested:
    """Begin a transaction and queue its mail. Raises TooManyRequests.

    Existing, unknown, banned and refused addresses run the same statements and get the same answer (contract, E1).
    """
    asker = Asker(*(await unit.db.execute(WHO_ASKS, asking(unit, app, address))).one())
    begun = begin(unit, app, address, asker, locale=locale)
    await limits.spend(unit, *begun.budgets)
    await unit.db.execute(_BEGIN, begun.transaction)
    await outbox.queue(unit, begun.mail)
    if begun.fact is not None:
        unit.count(begun.fact, app.team.id)
    return begun.requested


_BEGIN = insert(otp_transactions)
WHO_ASKS = select(known_clients.KNOWN, users.HAS_ACCOUNT, users.CHOSEN_LANGUAGE)
"""An Asker, by the parameters of `asking`."""


def asking(moment: Moment, app: App, address: Address) -> dict[str, Any]:
    """What the database is asked about who asks."""
    return known_clients.given(moment, app.team.id, address) | users.given(app.team.id, address)


def begin(moment: Moment, app: App, address: Address, asker: Asker, *, locale: str) -> Beginning:
    """The transaction that a request begins; storing it is up to whoever takes from its budgets."""
    policy, mint = moment.policy, moment.mint
    may_sign_in = app.team.sign_up is SignUp.OPEN or (app.team.sign_up is SignUp.KNOWN and asker.has_account)
    fixed = _review_code(moment, address) if may_sign_in else None
    code = fixed or mint.digits(app.team.code_length or policy.code_length)
    transaction_id = mint.uuid4()
    expires_at = moment.now + policy.code_ttl
    transaction = {
        "id": transaction_id,
        "team_id": app.team.id,
        "environment": app.environment.value,
        "email": address.typed,
        "digest": digest(moment, transaction_id, code) if may_sign_in else mint.bytes(32),
        "code_length": len(code),
        "attempts": 0,
        "max_attempts": 3 if len(code) == _SHORT_CODE else 5,
        "state": State.PENDING.value,
        "created_at": moment.now,
        "expires_at": expires_at,
    }
    mail = outbox.CodeMail(
        to=address.typed,
        application=app.team.name,
        code=code,
        transaction_id=str(transaction_id),
        requested_at=moment.now,
        life_minutes=policy.code_ttl // MINUTE,
        locale=asker.language or locale,
    )
    delivered = may_sign_in and fixed is None
    exposed = app.environment is Environment.DEVELOPMENT and policy.expose_user_code
    return Beginning(
        transaction,
        outbox.write(moment, team_id=app.team.id, mail=mail, expires_at=expires_at, deliver=delivered),
        _budgets_for_code(moment, app, address, known=asker.is_known),
        Requested(transaction_id, code if exposed else None),
    )


def _budgets_for_code(moment: Moment, app: App, address: Address, *, known: bool) -> tuple[Budget, ...]:
    """Those of contract elixir, section 7: a known client has its own, so a stranger delays only strangers."""
    rates = moment.policy.limits
    subject = _subject(moment, app, address, known=known)
    client = f"{app.team.id}|{address.counted}|{moment.caller.network}"
    return (
        Budget("cooldown", rates.cooldown, subject),
        Budget("codes_per_address", rates.codes_per_address, subject),
        Budget("codes_per_client_and_address", rates.codes_per_client_and_address, client),
    )


def _subject(moment: Moment, app: App, address: Address, *, known: bool) -> str:
    return f"{app.team.id}|{address.counted}|{moment.caller.network if known else '*'}"


def _review_code(moment: Moment, address: Address) -> str | None:
    today = datetime.fromtimestamp(moment.now / 1000, UTC).date()
    for account in moment.policy.review_accounts:
        if account.address == address.identity and today <= account.last_day:
            return account.code
    return None


def digest(moment: Moment, transaction_id: UUID, code: str) -> bytes:
    """What is stored of a code."""
    return moment.secret.mac(_PURPOSE, transaction_id.bytes + code.encode())


def normal_code(presented: str) -> str:
    """*presented* without blanks and hyphens, any Unicode decimal digit as ASCII (contract elixir, E2)."""
    return "".join(
        str(digit) if (digit := unicodedata.decimal(character, -1)) >= 0 else character
        for character in presented
        if not (character.isspace() or unicodedata.category(character) == "Pd")
    )


async def verify(unit: Unit, app: App, transaction: str, presented: str, *, device: Device) -> Verified:
    """Trade a transaction and its code for a session. A transaction yields at most one, also under concurrent calls.

    Raises CodeWrong, CodeMalformed, OtpUnknown, OtpExpired, OtpLocked, TooManyRequests, UserBanned.
    """
    code = normal_code(presented)
    transaction_id = find_id(transaction) or _NOBODYS
    row = await _take_guess(unit, app, transaction_id, code)
    if row is None:
        refusal = await _explain(unit, app, transaction_id)
        if isinstance(refusal, OtpUnknown):
            await limits.spend(unit, _per_client(unit, app))
        unit.count(Fact.CODE_REFUSED, app.team.id)
        raise refusal
    address = Address.parse(row.email, dotless=True)
    seen = await known_clients.look(unit, app.team.id, address, device.id)
    budgets = budgets_for_guess(unit, app, address, known=seen.client)
    await limits.spend(unit, *budgets)
    if not unit.secret.verifies(_PURPOSE, transaction_id.bytes + code.encode(), row.digest):
        unit.count(Fact.CODE_REFUSED, app.team.id)
        if row.attempts >= row.max_attempts:
            await _close(unit, transaction_id, State.LOCKED)
            await audit.record(unit, audit.Event.OTP_LOCKED, team_id=app.team.id)
            raise OtpLocked("the last guess was wrong")
        raise CodeWrong("wrong")
    await limits.refund(unit, *budgets)
    await _close(unit, transaction_id, State.CONSUMED)
    user, new_account = await users.prove_address(unit, app.team.id, address)
    grant = await sign_in.open_for(unit, user, app.audience, Proof.OTP, device=device)
    if not (new_account or seen.device):
        await new_devices.tell(unit, app.team, user, grant, device)
    await known_clients.remember(unit, app.team.id, address, device.id)
    unit.count(Fact.CODE_VERIFIED, app.team.id)
    return Verified(grant, new_account)


def budgets_for_guess(moment: Moment, app: App, address: Address, *, known: bool) -> tuple[Budget, Budget]:
    """What a wrong code is taken from."""
    rates, subject = moment.policy.limits, _subject(moment, app, address, known=known)
    return _per_client(moment, app), Budget("wrong_codes_per_address", rates.wrong_codes_per_address, subject)


def _per_client(moment: Moment, app: App) -> Budget:
    rates = moment.policy.limits.wrong_codes_per_client
    return Budget("wrong_codes_per_client", rates, f"{app.team.id}|{moment.caller.network}")


async def _take_guess(unit: Unit, app: App, transaction_id: UUID, code: str) -> Row[str, bytes, int, int] | None:
    """Reserve one guess, atomically; None when there is none to take."""
    given = {
        **_named(app, transaction_id),
        "now": unit.now,
        "digits": len(code) if code.isascii() and code.isdigit() else -1,
    }
    return (await unit.db.execute(_TAKE_GUESS, given)).one_or_none()


_IS_NAMED = (
    otp_transactions.c.id == bindparam("transaction_id"),
    otp_transactions.c.team_id == bindparam("app_team_id"),
    otp_transactions.c.environment == bindparam("app_environment"),
)
_IS_PENDING = otp_transactions.c.state == State.PENDING.value
_TAKE_GUESS = (
    update(otp_transactions)
    .where(
        *_IS_NAMED,
        _IS_PENDING,
        otp_transactions.c.attempts < otp_transactions.c.max_attempts,
        otp_transactions.c.expires_at > bindparam("now"),
        otp_transactions.c.code_length == bindparam("digits"),
    )
    .values(attempts=otp_transactions.c.attempts + 1)
    .returning(
        otp_transactions.c.email,
        otp_transactions.c.digest,
        otp_transactions.c.attempts,
        otp_transactions.c.max_attempts,
    )
)


def _named(app: App, transaction_id: UUID) -> dict[str, Any]:
    return {
        "transaction_id": transaction_id,
        "app_team_id": app.team.id,
        "app_environment": app.environment.value,
    }


async def _explain(unit: Unit, app: App, transaction_id: UUID) -> OtpUnknown | OtpExpired | OtpLocked | CodeMalformed:
    """Why there was no guess to take."""
    row = (await unit.db.execute(_LOOK, _named(app, transaction_id))).one_or_none()
    if row is None or row.state == State.CONSUMED:
        return OtpUnknown("no such transaction" if row is None else "used already")
    if row.state == State.LOCKED:
        return OtpLocked("the guesses are used up")
    if row.state == State.EXPIRED or row.expires_at <= unit.now:
        await _close(unit, transaction_id, State.EXPIRED)
        return OtpExpired("past its life")
    return CodeMalformed("not the right number of digits")


_LOOK = select(otp_transactions.c.state, otp_transactions.c.expires_at).where(*_IS_NAMED)


async def _close(unit: Unit, transaction_id: UUID, state: State) -> None:
    """Settle the transaction for good; a clock that jumps back reopens nothing."""
    await unit.db.execute(_CLOSE, {"transaction_id": transaction_id, "final": state.value})


_CLOSE = (
    update(otp_transactions)
    .where(otp_transactions.c.id == bindparam("transaction_id"), _IS_PENDING)
    .values(state=bindparam("final"))
)

"""A code asked for, and a guess at one with all that follows, as values: many share a statement (adapters/hot/).

The statements do what `otp.request` and `otp.verify` do, with the same writes: a guess is counted and taken from the
budgets before anybody learns whether it was right. What needs judgement goes the long way instead: a budget without
room, a transaction that is no longer pending, an owner who is banned or must be told of a new device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from gatepass.core import audit, known_clients, otp, sign_in, users
from gatepass.core.addresses import Address
from gatepass.core.api_keys import App
from gatepass.core.limits import Rate
from gatepass.core.otp import Verified
from gatepass.core.sessions import Device, Proof, Session
from gatepass.core.unit import Moment

NEWCOMER = (
    "id",
    "team_id",
    "email",
    "email_identity",
    "email_verified",
    "nickname",
    "roles",
    "wallets",
    "test_user",
    "created_at",
)
"""The columns of an account that a proven mailbox makes; the others are empty."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A transaction about to begin: its row, its mail's, and the budgets that it takes from, as they are stored.

    *subject* is whom the code is for; two of one subject never share a statement, for the second one has to wait.
    """

    now: int
    subject: str = field(repr=False)
    budgets: Sequence[tuple[bytes, Rate]]
    transaction: dict[str, Any] = field(repr=False)
    mail: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One row that a wrong guess is taken from: another one for a known client."""

    key: bytes
    key_if_known: bytes
    rate: Rate


@dataclass(frozen=True, slots=True)
class Guess:
    """*digest* is what is stored if *transaction_id* has the code that was presented, of so many *digits*.

    If so, *newcomer* is the account where there is none yet, *session* is opened, with that account's id until the
    true one is known, and *created*, *opened* and *locked* are the events that may have to be told.
    """

    transaction_id: UUID
    email: str = field(repr=False)
    identity: str = field(repr=False)
    now: int
    digits: int
    digest: bytes = field(repr=False)
    client_digest: bytes
    device_digest: bytes
    seen_after: int
    budgets: Sequence[BudgetRow]
    newcomer: dict[str, Any] = field(repr=False)
    session: Session
    region: str
    created: dict[str, Any]
    opened: dict[str, Any]
    locked: dict[str, Any]

    @property
    def subject(self) -> str:
        """Whose account it is about; two of one subject never share a statement."""
        return f"{self.session.team_id}|{self.identity}"

    def verified(self, user_id: UUID, email: str | None, roles: Sequence[str]) -> Verified:
        """What a right guess is answered with, its user being who the statement found."""
        session = self.session._replace(user_id=user_id)
        granted = sign_in.granted(session, email, roles, region=self.region, now=session.opened_at)
        return Verified(granted, new_account=user_id == self.newcomer["id"])


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a guess: *verified* if it was right, else whether it was the *last* one."""

    verified: Verified | None
    last: bool


def guess(moment: Moment, app: App, transaction_id: UUID, email: str, code: str, *, device: Device) -> Guess | None:
    """The guess that *code* is the one of a transaction, which is for *email*.

    None for what only `otp.verify` can judge: a code that is no number, or a server whose secret is being changed.
    """
    if moment.secret.is_changing or not (code.isascii() and code.isdigit()):
        return None
    address, team_id = Address.parse(email, dotless=True), app.team.id
    known = known_clients.given(moment, team_id, address)
    locked = audit.row(moment.mint, moment.now, audit.Event.OTP_LOCKED, team_id=team_id)
    newcomer = users.new_user(moment, team_id, address=address, email_verified=True)
    session = sign_in.new_session(
        moment.mint, moment.policy, moment.now, moment.caller, newcomer["id"], app.audience, Proof.OTP, device=device
    )
    created = audit.row(moment.mint, moment.now, audit.Event.USER_CREATED, team_id=team_id, user_id=session.user_id)
    return Guess(
        transaction_id=transaction_id,
        email=email,
        identity=address.identity,
        now=moment.now,
        digits=len(code),
        digest=otp.digest(moment, transaction_id, code),
        client_digest=known["client_digest"],
        device_digest=known_clients.device_digest(moment, team_id, address, device.id),
        seen_after=known["client_seen_after"],
        budgets=_budgets(moment, app, address),
        newcomer=newcomer,
        session=session,
        region=app.audience.region,
        created=created,
        opened=sign_in.opening(moment.mint, moment.now, session),
        locked=locked,
    )


def _budgets(moment: Moment, app: App, address: Address) -> list[BudgetRow]:
    strangers, owners = (
        [
            key
            for budget in otp.budgets_for_guess(moment, app, address, known=known)
            for key in budget.keys(moment.secret)
        ]
        for known in (False, True)
    )
    return [BudgetRow(key, of_known, rate) for (key, rate), (of_known, _) in zip(strangers, owners, strict=True)]

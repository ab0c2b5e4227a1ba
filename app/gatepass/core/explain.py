"""Why was I signed out? One session's life, told from its row and its audit events.

The row alone says how the session stands; the events add what happened on the way. A session that was purged is not
found: nothing is kept that could still explain it.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from gatepass.core import audit, sessions, sign_in_tokens, users
from gatepass.core.audit import AuditEvent, Event
from gatepass.core.schema import DAY, HOUR, MINUTE, SECOND
from gatepass.core.sessions import Cause, Proof, Session
from gatepass.core.sign_in_tokens import Voucher
from gatepass.core.unit import Unit

_MOST_EVENTS = 200
"""A session rarely has ten; of a longer story the newest are told."""

_PROOFS = {
    Proof.OTP: "an e-mailed code",
    Proof.QR: "a QR value that another device showed",
    Proof.REIKEY: "a one-time desktop key",
    Proof.SIGN_IN_TOKEN: "a sign-in token from the team's server",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened: *at* epoch ms, *event* a closed word, *words* for people."""

    at: int
    event: str
    words: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A session, one sentence on how it stands and what to do, and its timeline, oldest first."""

    session: Session
    summary: str
    timeline: tuple[Moment, ...]


async def explain(unit: Unit, session_id: UUID, *, team_id: UUID | None = None) -> Explanation:
    """Tell the story of one session, within one team if given. Raises NotFound, also for one that was purged."""
    session = await sessions.get(unit, session_id, team_id=team_id)
    events = await audit.list_events(unit, audit.Filter(session_id=session_id), limit=_MOST_EVENTS)
    ending = next((event.detail for event in events if event.event is Event.SESSION_ENDED), {})
    timeline = [Moment(session.opened_at, Event.SESSION_OPENED.value, _opening(session))]
    for event in reversed(events):
        if event.event in _WORDS:
            timeline.append(Moment(event.at, event.event.value, _WORDS[event.event](session, event)))
    if session.proof is Proof.SIGN_IN_TOKEN and (voucher := await sign_in_tokens.find_voucher(unit, session)):
        timeline.append(Moment(voucher.issued_at, "sign_in_token_issued", _vouched(voucher)))
    if session.ended_at is not None and session.end_cause is not None:
        words = _ending(session, session.end_cause, ending)
        timeline.append(Moment(session.ended_at, Event.SESSION_ENDED.value, f"Ended: {words}."))
    elif session.is_expired(unit.now):
        timeline.append(Moment(_expired_at(session), "session_expired", f"Expired: {_expiry(session)}."))
    timeline.sort(key=lambda moment: (moment.at, moment.event != "sign_in_token_issued"))
    return Explanation(session, await _summary(unit, session, ending), tuple(timeline))


async def _summary(unit: Unit, session: Session, ending: dict[str, object]) -> str:
    if session.ended_at is None or session.end_cause is None:
        if session.is_expired(unit.now):
            return f"The session expired: {_expiry(session)}; nothing is wrong, and signing in again opens a new one."
        left = span(_expired_at(session) - unit.now)
        if session.is_browser:
            return (
                f"The session is open in a browser, last used {span(unit.now - session.last_seen_at)} ago and good for "
                f"another {left}; a browser that asks for sign-in all the same has lost its cookie."
            )
        return (
            f"The session is open, last refreshed {span(unit.now - session.rotated_at)} ago and good for another {left}; "
            "a phone that asks for sign-in all the same has lost its own copy of the tokens, so look at its storage."
        )
    match session.end_cause:
        case Cause.SIGNED_OUT if "by" in ending:
            return (
                f"The user signed this device out from another one, session {ending['by']}, which is final and as asked; "
                "sign in again."
            )
        case Cause.SIGNED_OUT:
            return (
                "The device signed itself out, which is final and as asked; "
                "if nobody tapped sign-out, look for the call in the app, and sign in again."
            )
        case Cause.REUSE:
            return (
                f"The session was closed as stolen: {_reuse(session, ending)}; sign in again, and if it comes back check "
                "that the app stores each new refresh token before using it and that no two processes or restored "
                "backups share one."
            )
        case Cause.BANNED:
            user = await users.find(unit, session.team_id, session.user_id)
            if user is None or not user.is_banned:
                return (
                    "The account was suspended and every session ended with it; the suspension has been lifted since, "
                    "so signing in again works, but old sessions stay closed."
                )
            because = f" ({user.ban_reason})" if user.ban_reason else ""
            return (
                f"The account is suspended{because} and every session ended with it; "
                "lift the suspension to let the user sign in again, old sessions stay closed."
            )
        case Cause.USER_DELETED:
            return (
                "The account was deleted and every session ended with it; "
                "the user can sign in again only after the account is restored or made anew."
            )
        case Cause.EXPIRED:
            return f"The session expired: {_expiry(session)}; nothing is wrong, and signing in again opens a new one."
        case Cause.ADMIN:
            return "An administrator ended the session; the account itself is untouched, so the user can sign in again."
        case Cause.TEAM_GONE:
            return "The team was removed and every session ended with it; point the app at a team that exists."


def _vouched(voucher: Voucher) -> str:
    key = f" with the key {voucher.visible}…" if voucher.visible else ""
    return f"The team's server asked for a sign-in token{key}."


def _opening(session: Session) -> str:
    device = f" on {named}" if (named := session.device_model or session.sdk) else ""
    shown = f", shown by session {session.opened_by}" if session.opened_by else ""
    return f"Opened with {_PROOFS[session.proof]}{shown}{device}."


_ENDINGS = {
    Cause.SIGNED_OUT: "the device signed out",
    Cause.BANNED: "the account was suspended",
    Cause.USER_DELETED: "the account was deleted",
    Cause.EXPIRED: "its life was over",
    Cause.ADMIN: "an administrator ended it",
    Cause.TEAM_GONE: "the team was removed",
}


def _ending(session: Session, cause: Cause, ending: dict[str, object]) -> str:
    if cause is Cause.REUSE:
        return _reuse(session, ending)
    if cause is Cause.SIGNED_OUT and "by" in ending:
        return f"the user signed it out from session {ending['by']}"
    return _ENDINGS[cause]


def _reuse(session: Session, ending: dict[str, object]) -> str:
    """What gave the reuse away: how old the token was, and how surely its successor had arrived."""
    presented = ending.get("presented")
    behind = session.generation - presented if isinstance(presented, int) else 1
    token = f"a refresh token {behind} generations old" if behind > 1 else "a refresh token that was spent already"
    if session.receipt_at is not None and session.ended_at is not None:
        age = span(session.ended_at - session.receipt_at)
        return f"{token} came back {age} after its successor was seen in use, which is what a stolen copy looks like"
    if behind > 1:
        return f"{token} came back, which no phone that merely lost an answer still holds"
    return f"{token} came back, and the recoveries allowed for lost answers were used up"


def _expired_at(session: Session) -> int:
    return min(session.idle_expires_at, session.absolute_expires_at or session.idle_expires_at)


def _expiry(session: Session) -> str:
    if session.absolute_expires_at is not None and session.absolute_expires_at <= session.idle_expires_at:
        return f"no session of its kind lives longer than {span(session.absolute_expires_at - session.opened_at)}"
    if session.is_browser:
        return f"the browser was not used for {span(session.idle_expires_at - session.last_seen_at)}"
    return f"the phone did not refresh for {span(session.idle_expires_at - session.rotated_at)}"


def _recovered(session: Session, event: AuditEvent) -> str:
    return f"A lost answer was recovered: generation {event.detail.get('generation')} was handed out again."


def _adopted(session: Session, event: AuditEvent) -> str:
    stored, presented = event.detail.get("stored"), event.detail.get("presented")
    return (
        f"The phone was ahead of the database (generation {presented} against {stored}): "
        "a failover or a restore had lost commits, and the session followed the phone."
    )


def _unheard(session: Session, event: AuditEvent) -> str:
    return "A spent token came back on a connection that was already gone: refused, the session left open."


def _shown(session: Session, event: AuditEvent) -> str:
    return "Showed a QR value for another device."


_WORDS = {
    Event.REFRESH_RECOVERED: _recovered,
    Event.GENERATION_ADOPTED: _adopted,
    Event.REUSE_UNHEARD: _unheard,
    Event.QR_SHOWN: _shown,
}


def span(ms: int) -> str:
    """A duration as people say it, in its two largest units at most: `3 days`, `1 hour 20 minutes`."""
    parts = []
    for name, size in (("day", DAY), ("hour", HOUR), ("minute", MINUTE), ("second", SECOND)):
        count, ms = divmod(max(ms, 0), size)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "less than a second"

"""Activity: what happened to the account lately, from the audit log, in the owner's words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from fastapi import APIRouter, Request, Response

from gatepass.core import audit, devices
from gatepass.core.audit import AuditEvent, Event, Filter
from gatepass.core.ids import find_id
from gatepass.core.sessions import Cause, Proof, Session
from gatepass.core.unit import Unit
from gatepass.surfaces.account.access import HOME, AtHome

router = APIRouter(prefix=f"{HOME}/activity")

PAGE = 25


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: *at* epoch ms, *device* as it named itself, *address* where it was known.

    What happened several times in a row is one line, as of the last time.
    """

    at: int
    words: str
    device: str | None
    address: str | None
    icon: str
    is_alarm: bool
    times: int = 1

    def repeats(self, other: Entry) -> bool:
        """Whether *other* is the same thing again, but for when."""
        return replace(self, at=other.at, times=other.times) == other


@router.get("")
async def list_activity(home: AtHome, request: Request) -> Response:
    """The newest first, a page at a time."""
    before = find_id(request.query_params.get("before", ""))
    wanted = Filter(team_id=home.team.id, user_id=home.user.id)

    async def work(unit: Unit) -> tuple[list[AuditEvent], dict[UUID, Session]]:
        events = await audit.list_events(unit, wanted, before=before, limit=PAGE + 1)
        ids = {event.session_id for event in events if event.session_id is not None}
        return events, await devices.named(unit, home.session, ids)

    events, known = await home.read(work)
    page = events[:PAGE]
    more = page[-1].id if len(events) > PAGE else None
    return home.render("activity.html", entries=_gathered(_entries(page, known)), more=more, first=before is None)


def _entries(events: Iterable[AuditEvent], known: dict[UUID, Session]) -> Iterable[Entry]:
    for event in events:
        if (words := _words(event)) is not None:
            session = known.get(event.session_id) if event.session_id is not None else None
            opened = event.event is Event.SESSION_OPENED
            yield Entry(
                at=event.at,
                words=words,
                device=session.device_model or session.sdk if session is not None else None,
                address=session.client_address if session is not None and opened else None,
                icon=_ICONS.get(event.event, "user"),
                is_alarm=event.event in _ALARMS or event.detail.get("cause") in _ALARMING_CAUSES,
            )


def _gathered(entries: Iterable[Entry]) -> list[Entry]:
    lines: list[Entry] = []
    for entry in entries:
        if lines and lines[-1].repeats(entry):
            lines[-1] = replace(lines[-1], times=lines[-1].times + 1)
        else:
            lines.append(entry)
    return lines


def _words(event: AuditEvent) -> str | None:
    """What its owner calls the event; None for what is no business of theirs."""
    match event.event:
        case Event.SESSION_OPENED:
            return _OPENED.get(event.detail.get("proof", ""), "Signed in")
        case Event.SESSION_ENDED if "by" in event.detail:
            return "Signed out from another device"
        case Event.SESSION_ENDED:
            return _ENDED.get(event.detail.get("cause", ""), "Signed out")
        case _:
            return _HAPPENED.get(event.event)


_OPENED = {
    Proof.OTP.value: "Signed in with an e-mailed code",
    Proof.QR.value: "Signed in by scanning a QR code",
    Proof.REIKEY.value: "Signed in with a desktop key",
    Proof.SIGN_IN_TOKEN.value: "Signed in by the app",
}
_ENDED = {
    Cause.SIGNED_OUT.value: "Signed out",
    Cause.REUSE.value: "Signed out, because a copy of its sign-in turned up elsewhere",
    Cause.BANNED.value: "Signed out, because the account was suspended",
    Cause.USER_DELETED.value: "Signed out, because the account was deleted",
    Cause.EXPIRED.value: "Signed out after a long time without use",
    Cause.ADMIN.value: "Signed out by an administrator",
    Cause.TEAM_GONE.value: "Signed out, because the app was closed down",
}
_HAPPENED = {
    Event.USER_CREATED: "The account was made",
    Event.USER_CHANGED: "The account's details were changed",
    Event.USER_BANNED: "The account was suspended",
    Event.USER_UNBANNED: "The suspension was lifted",
    Event.USER_DELETED: "The account was deleted",
    Event.USER_UNDELETED: "The account was brought back",
    Event.QR_SHOWN: "Showed a QR code",
}
_ICONS = {
    Event.SESSION_OPENED: "device",
    Event.SESSION_ENDED: "out",
    Event.QR_SHOWN: "qr",
    Event.USER_BANNED: "ban",
}
_ALARMS = {Event.USER_BANNED}
_ALARMING_CAUSES = {Cause.REUSE.value, Cause.BANNED.value}

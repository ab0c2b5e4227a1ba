"""Devices: where the account is signed in, and signing out."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gatepass.core import devices
from gatepass.core.errors import NotFound
from gatepass.core.ids import find_id
from gatepass.core.sessions import Proof
from gatepass.pages import words
from gatepass.surfaces.account.access import HOME, AtHome
from gatepass.surfaces.account.signing_in import leave

router = APIRouter(prefix=f"{HOME}/devices")

_WAYS = {
    Proof.OTP: "with an e-mailed code",
    Proof.QR: "by scanning a QR code",
    Proof.REIKEY: "with a desktop key",
    Proof.SIGN_IN_TOKEN: "by the app",
}


@router.get("")
async def list_devices(home: AtHome) -> Response:
    """Every open session of the account, this browser's first."""
    found = await home.read(lambda unit: devices.list_open(unit, home.team.id, home.user.id))
    found.sort(key=lambda session: session.id != home.session.id)
    return home.render("devices.html", sessions=found, ways=_WAYS)


@router.post("/{session_id}/sign-out")
async def sign_out_one(home: AtHome, session_id: str) -> Response:
    """End one session, this browser's or another's."""
    await home.form()
    if (wanted := find_id(session_id)) is None:
        raise NotFound("session")
    await home.transact(lambda unit: devices.sign_out(unit, home.session, wanted))
    if wanted == home.session.id:
        return leave(home.request, home.runtime, "You are signed out.")
    return home.go("/devices", "The device is signed out.")


@router.post("/sign-out-others")
async def sign_out_others(home: AtHome) -> Response:
    """End every session but this browser's."""
    await home.form()
    count = await home.transact(lambda unit: devices.sign_out_others(unit, home.session))
    return home.go("/devices", f"{words.many(count, 'device')} signed out.")


@router.post("/sign-out-everywhere")
async def sign_out_everywhere(home: AtHome) -> Response:
    """End every session, this browser's too."""
    await home.form()
    await home.transact(lambda unit: devices.sign_out_everywhere(unit, home.session))
    return leave(home.request, home.runtime, "You are signed out on every device.")

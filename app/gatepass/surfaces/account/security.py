"""Security: the QR value that signs in another device, and what became of it.

A value is drawn once, in the answer to the form that asked for it, and is never in a URL. The page then asks for its
state; while it waits for a device, nothing changes. Where a script runs, a value that nobody scanned makes way for a
fresh one, a few times; without scripts the page moves on by itself when its life is over.
"""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import segno
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from gatepass.core import qr
from gatepass.core.api_keys import Environment
from gatepass.core.errors import NotFound
from gatepass.core.ids import find_id
from gatepass.core.qr import QrCode, Shown, State
from gatepass.core.schema import SECOND
from gatepass.core.unit import Unit
from gatepass.surfaces.account.access import HOME, AtHome, Visit

router = APIRouter(prefix=f"{HOME}/security")

LIVES = 5
"""How many values follow each other on a page that nobody touches."""
_COUNTS = {str(count) for count in range(1, LIVES + 1)}


@router.get("")
async def security(home: AtHome) -> Response:
    """Where a QR value is asked for."""
    return home.render("security.html", **_panel(home))


@router.post("/qr")
async def show(home: AtHome) -> Response:
    """Draw a fresh value. The one before is worth nothing any more."""
    form = await home.form()
    development = form.get("environment") == "development" and home.team.accept_development_keys
    environment = Environment.DEVELOPMENT if development else Environment.PRODUCTION
    lives = form.number("lives", 1, LIVES) or LIVES

    async def work(unit: Unit) -> Shown:
        return await qr.show(unit, home.session, environment=environment)

    shown = await home.transact(work)
    until = datetime.fromtimestamp(shown.expires_at // SECOND, UTC)
    return _answer(
        home,
        state=State.PENDING,
        qr_id=shown.id,
        drawing=_draw(f"{qr.PREFIX}{shown.value}"),
        until=f"{until:%H:%M:%S} UTC",
        seconds=shown.life // SECOND,
        lives=lives,
        development=development,
    )


@router.get("/qr/{qr_id}")
async def look(home: AtHome, qr_id: str, request: Request) -> Response:
    """What became of a value. For a script, nothing at all while it waits."""
    wanted = _id(qr_id)
    code = await home.transact(lambda unit: qr.look(unit, home.session, wanted))
    if home.wants_part and code.state is State.PENDING:
        return Response(status_code=204, headers={"cache-control": "no-store"})
    return _answer(home, **_told(code), **_left(request))


@router.post("/qr/{qr_id}/cancel")
async def cancel(home: AtHome, qr_id: str) -> Response:
    """Make a value worthless."""
    await home.form()
    wanted = _id(qr_id)
    code = await home.transact(lambda unit: qr.cancel(unit, home.session, wanted))
    return _answer(home, **_told(code))


def _answer(home: Visit, **panel: Any) -> Response:
    """The part that shows the value where a script asks for it, else the page around it."""
    return home.render("qr.html" if home.wants_part else "security.html", **_panel(home, **panel))


def _panel(home: Visit, **given: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "state": None,
        "qr_id": None,
        "drawing": None,
        "until": None,
        "seconds": 0,
        "lives": LIVES,
        "development": False,
        "device": None,
        "opened": None,
    }
    return {**nothing, "offers_development": home.team.accept_development_keys, **given}


def _told(code: QrCode) -> dict[str, Any]:
    return {"state": code.state, "qr_id": code.id, "device": code.device_model, "opened": code.session_id}


def _left(request: Request) -> dict[str, Any]:
    """How many values may still follow this one, and for which build of the app, as the page that asks has it."""
    lives = request.query_params.get("lives", "")
    return {
        "lives": int(lives) - 1 if lives in _COUNTS else 0,
        "development": request.query_params.get("environment") == "development",
    }


def _draw(value: str) -> Markup:
    """The value as SVG, dark on light whatever the page looks like, for cameras want it so."""
    drawn = BytesIO()
    segno.make(value, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=False, nl=False, omitsize=True, border=4, dark="#000", light="#fff",
        svgclass="qr-drawing", lineclass=None, title="QR code that signs a device in to your account",
    )  # fmt: skip
    return Markup(drawn.getvalue().decode())  # noqa: S704 -- drawn here, from a value of ours


def _id(presented: str) -> UUID:
    if (qr_id := find_id(presented)) is None:
        raise NotFound("qr code")
    return qr_id

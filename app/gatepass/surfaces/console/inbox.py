"""A team's inbox in test mode: the mails that would have left, and the codes in them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gatepass.core import inbox
from gatepass.core.errors import NotFound
from gatepass.core.inbox import Message
from gatepass.pages.mail import framed
from gatepass.surfaces.console.access import AtTeam, TeamDesk, id_in_path
from gatepass.surfaces.console.worlds import in_test_mode

router = APIRouter(prefix="/console/teams/{team_id}/inbox", dependencies=[in_test_mode])

SHOWN = 100
"""Mails on the page; older ones are found by their address."""


@router.get("")
async def list_mails(request: Request, desk: AtTeam) -> Response:
    """The latest mails, the newest first; of one address where it is given."""
    to = request.query_params.get("to", "").strip()[:254]
    mails = await desk.read(lambda unit: inbox.list_messages(unit, desk.team.id, to=to or None))
    return desk.render("inbox.html", mails=mails[::-1][:SHOWN], to=to, left_out=max(0, len(mails) - SHOWN))


@router.get("/{mail_id}")
async def show(mail_id: str, desk: AtTeam) -> Response:
    """One mail: its code, how it looks, how it reads without looks."""
    return desk.render("mail.html", mail=await _mail(desk, mail_id), frames=True)


@router.get("/{mail_id}/body")
async def body(mail_id: str, desk: AtTeam) -> Response:
    """The mail itself, for the frame on its page."""
    return framed((await _mail(desk, mail_id)).html)


async def _mail(desk: TeamDesk, text: str) -> Message:
    wanted = id_in_path("mail", text)
    for mail in await desk.read(lambda unit: inbox.list_messages(unit, desk.team.id)):
        if mail.id == wanted:
            return mail
    raise NotFound("mail")

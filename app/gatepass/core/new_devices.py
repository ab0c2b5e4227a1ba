"""Notices by mail: a device signed in to an account that it was never seen with.

Told to users who have account pages, where they can sign it out, and only while their team wants it. Nobody is told of
the device that made the account, nor of the first sign-in of an account that was made for them.
"""

from __future__ import annotations

from sqlalchemy import bindparam, exists, select

from gatepass.core import known_clients, outbox
from gatepass.core.addresses import Address
from gatepass.core.schema import DAY
from gatepass.core.sessions import Device, Grant, sessions
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.core.users import User

PAGE = "/account"
LIFE = DAY
"""How long a notice may wait for the mail server; later it would only alarm."""


async def meet(unit: Unit, team: Team, user: User, grant: Grant, device: Device) -> None:
    """*grant* was just opened on *device*: tell *user* where it is new, and know it from now on."""
    if user.email is None:
        return
    address = Address.parse(user.email, dotless=True)
    seen = await known_clients.look(unit, team.id, address, device.id)
    if not seen.device:
        await tell(unit, team, user, grant, device)
    await known_clients.remember(unit, team.id, address, device.id)


async def tell(unit: Unit, team: Team, user: User, grant: Grant, device: Device) -> None:
    """Queue the notice that *device* opened *grant*, unless nobody wants it or this is the account's first session."""
    if user.email is None or not (team.account_pages and team.new_device_notices):
        return
    if not await unit.db.scalar(_HAS_OTHERS, {"its_user": user.id, "this_one": grant.session_id}):
        return
    mail = outbox.NewDeviceMail(
        to=user.email,
        application=team.name,
        device=device.model,
        client_address=unit.caller.address,
        signed_in_at=unit.now,
        page=f"{unit.policy.issuer}{PAGE}",
        locale=user.language or device.languages,
    )
    await outbox.queue(unit, outbox.write(unit, team_id=team.id, mail=mail, expires_at=unit.now + LIFE, deliver=True))


_HAS_OTHERS = select(
    exists().where(sessions.c.user_id == bindparam("its_user"), sessions.c.id != bindparam("this_one"))
)

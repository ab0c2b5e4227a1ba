"""Codes by e-mail the short way, shared with whoever else asks or guesses right now (adapters/hot/).

Each verb answers None for whatever needs the long way through `otp.request` and `otp.verify`, which are the same to the
last row and the only ones that refuse.
"""

from __future__ import annotations

from gatepass.core import otp, otp_shared, outbox
from gatepass.core.addresses import Address
from gatepass.core.api_keys import App
from gatepass.core.errors import CodeWrong, OtpLocked
from gatepass.core.facts import Fact
from gatepass.core.ids import find_id
from gatepass.core.limits import Budget
from gatepass.core.otp import Requested, Verified
from gatepass.core.otp_shared import Asked
from gatepass.core.sessions import Device
from gatepass.core.unit import Caller
from gatepass.wiring import Runtime


async def request(
    runtime: Runtime, app: App, address: Address, caller: Caller, *, locale: str, door: Budget
) -> Requested | None:
    """As `otp.request`, taking from the budget at the *door* too. Raises Unavailable."""
    moment = runtime.moment(caller)
    asking = otp.asking(moment, app, address)
    if (asker := await runtime.hot.meet(asking)) is None:
        return None
    beginning = otp.begin(moment, app, address, asker, locale=locale)
    at_once = runtime.handover.reserve() == 1
    begun = False
    try:
        asked = Asked(
            now=moment.now,
            subject=f"{app.team.id}|{address.counted}",
            budgets=[key for budget in (door, *beginning.budgets) for key in budget.keys(moment.secret)],
            transaction=beginning.transaction,
            mail=outbox.row_of(moment.secret, beginning.mail, moment.now, at_once=at_once),
        )
        begun = await runtime.hot.begin(asked)
    finally:
        if at_once and not begun:
            runtime.handover.release()
    if not begun:
        return None
    if at_once:
        runtime.handover.take([beginning.mail])
    else:
        runtime.outbox_waits.set()
    if beginning.fact is not None:
        runtime.tally.count(beginning.fact, app.team.id, moment.now)
    return beginning.requested


async def verify(
    runtime: Runtime, app: App, transaction: str, presented: str, caller: Caller, *, device: Device
) -> Verified | None:
    """As `otp.verify`. Raises CodeWrong, OtpLocked, Unavailable."""
    transaction_id, code = find_id(transaction), otp.normal_code(presented)
    if transaction_id is None or (email := await runtime.hot.recipient(transaction_id)) is None:
        return None
    moment = runtime.moment(caller)
    guess = otp_shared.guess(moment, app, transaction_id, email, code, device=device)
    if guess is None or (judged := await runtime.hot.judge(guess)) is None:
        return None
    if judged.verified is None:
        runtime.tally.count(Fact.CODE_REFUSED, app.team.id, moment.now)
        raise OtpLocked("the last guess was wrong") if judged.last else CodeWrong("wrong")
    runtime.tally.count(Fact.CODE_VERIFIED, app.team.id, moment.now)
    runtime.tally.count(Fact.SIGN_IN_BY_CODE, app.team.id, moment.now)
    return judged.verified

"""An operator's own way in: the password, and the browsers that are signed in."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gatepass.adapters import passwords
from gatepass.core import browser_sessions, operators
from gatepass.core.errors import InputRefused, PasswordWrong, TooManyRequests
from gatepass.surfaces.console.access import AtDesk, Desk, id_in_path
from gatepass.surfaces.console.refusals import spelling

router = APIRouter(prefix="/console/me")


@router.get("")
async def show(desk: AtDesk) -> Response:
    """Where this operator is signed in, and the form of a new password."""
    return await _show(desk)


async def _show(desk: Desk, problem: str | None = None, status: int = 200) -> Response:
    found = await desk.read(lambda unit: browser_sessions.list_of(unit, desk.operator.id))
    return desk.render("me.html", status, found=found, here=desk.session.id, problem=problem)


@router.post("/password")
async def change_password(desk: AtDesk) -> Response:
    """A new password, for who knows the old one; every other browser is signed out."""
    form = await desk.form()
    old, new = form.secret("password"), form.secret("new_password")
    try:
        if new != form.secret("new_password_again"):
            raise InputRefused("new_password_again", "is not the same as the first")
        attempt = await desk.transact(lambda unit: operators.begin_sign_in(unit, desk.operator.name))
        if not await passwords.check_password(old, attempt.password):
            raise PasswordWrong("wrong")
        hashed = await passwords.hash_password(new)
        closed = await desk.transact(lambda unit: operators.change_password(unit, desk.session, attempt, hashed))
    except PasswordWrong:
        return await _show(desk, "That is not your password.", 422)
    except (InputRefused, TooManyRequests) as refusal:
        status, _, words = spelling(refusal)
        return await _show(desk, words, status)
    return desk.go("/me", f"The password is changed. Other browsers signed out: {closed}.")


@router.post("/browsers/{session_id}/end")
async def end_one(session_id: str, desk: AtDesk) -> Response:
    """Sign one browser out."""
    await desk.form()
    wanted = id_in_path("browser", session_id)
    ended = await desk.transact(lambda unit: browser_sessions.close_one(unit, wanted, desk.operator.id))
    return desk.go("/me", "That browser is signed out." if ended else "That browser was signed out already.")


@router.post("/browsers/end-others")
async def end_others(desk: AtDesk) -> Response:
    """Sign every browser out but this one."""
    await desk.form()
    closed = await desk.transact(lambda unit: browser_sessions.close_all(unit, desk.operator.id, but=desk.session.id))
    return desk.go("/me", f"Browsers signed out: {closed}.")

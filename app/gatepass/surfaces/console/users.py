"""A team's users: found, looked at, banned, deleted and brought back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Response

from gatepass.core import sessions, user_deletion, user_listing, users
from gatepass.core.errors import Conflict, InputRefused, NotFound
from gatepass.core.sessions import Cause, Session
from gatepass.core.unit import Unit
from gatepass.core.user_deletion import GRACE
from gatepass.core.users import User
from gatepass.surfaces.console.access import AtTeam, TeamDesk, id_in_path
from gatepass.surfaces.console.refusals import spelling

router = APIRouter(prefix="/console/teams/{team_id}/users")

PAGE = 50
"""Users on one page."""
SHOWN = (("", "Everyone"), ("banned", "Banned"), ("active", "Not banned"), ("deleted", "Deleted"))
_FARTHEST_PAGE = 100_000


@dataclass(frozen=True, slots=True)
class Wish:
    """Which users to show: part of an address or an id, which of them, which page."""

    search: str
    show: str
    page: int

    @classmethod
    def of(cls, desk: TeamDesk) -> Wish:
        """What the address of the page says; what makes no sense there is left out."""
        given = desk.request.query_params
        search, show, page = given.get("q", "").strip()[:254], given.get("show", ""), given.get("page", "")
        return cls(
            search if search.isprintable() else "",
            show if show in dict(SHOWN) else "",
            min(max(int(page), 1), _FARTHEST_PAGE) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
        )

    def terms(self) -> dict[str, Any]:
        """The same as `user_listing.list_page` takes it."""
        banned = {"banned": True, "active": False}.get(self.show)
        return {
            "search": self.search,
            "banned": banned,
            "deleted": self.show == "deleted",
            "offset": (self.page - 1) * PAGE,
            "limit": PAGE,
        }

    def address(self, path: str) -> str:
        """The page's address, with `{}` where the number of another belongs."""
        named = urlencode({"q": self.search, "show": self.show}).replace("{", "%7B").replace("}", "%7D")
        return f"{path}?{named}&page={{}}"


@router.get("")
async def list_page(desk: AtTeam) -> Response:
    """A page of users, newest first."""
    wish = Wish.of(desk)
    found, total = await desk.read(lambda unit: user_listing.list_page(unit, desk.team.id, **wish.terms()))
    return desk.render(
        "users.html",
        found=found,
        total=total,
        wish=wish,
        shown=SHOWN,
        pages=max(1, -(-total // PAGE)),
        address=wish.address(f"/console{desk.home}/users"),
        grace=GRACE,
    )


@router.get("/{user_id}")
async def show(user_id: str, desk: AtTeam) -> Response:
    """One user, and every session there is of theirs."""
    return await _show(desk, id_in_path("user", user_id))


async def _show(desk: TeamDesk, user_id: UUID, problem: str | None = None, status: int = 200) -> Response:
    async def work(unit: Unit) -> tuple[User, list[Session]]:
        return await _find(unit, desk.team.id, user_id), await sessions.list_of_user(unit, desk.team.id, user_id)

    user, found = await desk.read(work)
    now = desk.runtime.clock.now()
    return desk.render(
        "user.html",
        status,
        user=user,
        open=[session for session in found if session.is_open(now)],
        over=[session for session in found if not session.is_open(now)],
        problem=problem,
        erased_at=user.deleted_at + GRACE if user.deleted_at is not None else None,
        user_path=f"/console{desk.home}/users/{user.id}",
    )


async def _find(unit: Unit, team_id: UUID, user_id: UUID) -> User:
    """The user, deleted or not. Raises NotFound."""
    if (user := await users.find(unit, team_id, user_id)) is not None:
        return user
    deleted, _ = await user_listing.list_page(unit, team_id, search=str(user_id), deleted=True, limit=2)
    for one in deleted:
        if one.id == user_id:
            return one
    raise NotFound("user")


@router.post("/{user_id}/ban")
async def ban(user_id: str, desk: AtTeam) -> Response:
    """Suspend the account and end its sessions."""
    form, wanted = await desk.form(), id_in_path("user", user_id)
    try:
        reason = form.text("reason", most=500)
        user = await desk.transact(lambda unit: users.ban(unit, desk.team.id, wanted, reason))
    except InputRefused as refusal:
        return await _show(desk, wanted, spelling(refusal)[2], 422)
    return _back(desk, wanted, f"{_name(user)} is banned and signed out everywhere.")


@router.post("/{user_id}/unban")
async def unban(user_id: str, desk: AtTeam) -> Response:
    """Let the account sign in again."""
    await desk.form()
    wanted = id_in_path("user", user_id)
    user = await desk.transact(lambda unit: users.unban(unit, desk.team.id, wanted))
    return _back(desk, wanted, f"{_name(user)} may sign in again. Sessions that ended stay ended.")


@router.get("/{user_id}/delete")
async def ask_to_delete(user_id: str, desk: AtTeam) -> Response:
    """What deleting would do."""
    wanted = id_in_path("user", user_id)

    async def work(unit: Unit) -> tuple[User, int]:
        found = await sessions.list_of_user(unit, desk.team.id, wanted)
        return await users.get(unit, desk.team.id, wanted), sum(session.is_open(unit.now) for session in found)

    user, many = await desk.read(work)
    return desk.render(
        "user_delete.html", user=user, open=many, user_path=f"/console{desk.home}/users/{user.id}", grace=GRACE
    )


@router.post("/{user_id}/delete")
async def delete(user_id: str, desk: AtTeam) -> Response:
    """Delete the account; for seven days that can be undone."""
    await desk.form()
    wanted = id_in_path("user", user_id)
    user = await desk.transact(lambda unit: user_deletion.delete_user(unit, desk.team.id, wanted))
    return _back(desk, wanted, f"{_name(user)} is deleted. For seven days that can be undone here.")


@router.post("/{user_id}/undelete")
async def undelete(user_id: str, desk: AtTeam) -> Response:
    """Bring a deleted account back."""
    await desk.form()
    wanted = id_in_path("user", user_id)
    try:
        user = await desk.transact(lambda unit: user_deletion.undelete_user(unit, desk.team.id, user_id=wanted))
    except Conflict as refusal:
        return await _show(desk, wanted, spelling(refusal)[2], 409)
    return _back(desk, wanted, f"{_name(user)} is back, and has to sign in again.")


@router.post("/{user_id}/end-sessions")
async def end_sessions(user_id: str, desk: AtTeam) -> Response:
    """Sign the user out everywhere."""
    await desk.form()
    wanted = id_in_path("user", user_id)

    async def work(unit: Unit) -> int:
        await users.lock(unit, desk.team.id, wanted)
        return await sessions.end_all(unit, desk.team.id, wanted, Cause.ADMIN)

    ended = await desk.transact(work)
    return _back(desk, wanted, f"Sessions ended: {ended}.")


def _back(desk: TeamDesk, user_id: UUID, said: str) -> Response:
    return desk.go(f"{desk.home}/users/{user_id}", said)


def _name(user: User) -> str:
    return user.email or user.client_user_id or user.nickname

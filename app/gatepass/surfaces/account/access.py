"""Who is at the door: the user behind a request's cookie, and the team that the request is about.

In test mode a team has a clock of its own, so the team is looked for first, and everything else happens in its time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request, Response

from gatepass.adapters.worlds import travel
from gatepass.core import account_browsers, colours, teams, worlds
from gatepass.core.account_browsers import SignedIn
from gatepass.core.errors import NotFound, Refusal
from gatepass.core.ids import find_id
from gatepass.core.sessions import Session
from gatepass.core.teams import Team
from gatepass.core.unit import Caller, Unit
from gatepass.core.users import User
from gatepass.pages import Form, Site
from gatepass.wiring import InRuntime, Runtime

T = TypeVar("T")
HOME = "/account"
site = Site("gatepass.surfaces.account", "account")


class SignInNeeded(Refusal):
    """Nobody is signed in here, or not any more; *where* that is mended. *partial*: a page asked for a part of itself."""

    def __init__(self, where: str, *, partial: bool) -> None:
        super().__init__("nobody is signed in")
        self.where = where
        self.partial = partial


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a user to the pages of their account."""

    request: Request
    runtime: Runtime
    caller: Caller
    who: SignedIn

    @property
    def user(self) -> User:
        return self.who.user

    @property
    def session(self) -> Session:
        return self.who.session

    @property
    def team(self) -> Team:
        return self.who.team

    async def read(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        """As `Runtime.read`."""
        return await self.runtime.read(work, caller=self.caller)

    async def transact(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        """As `Runtime.transact`."""
        return await self.runtime.transact(work, caller=self.caller)

    async def form(self) -> Form:
        """The form that was sent. Raises as `Site.form`."""
        return await site.form(self.request)

    @property
    def wants_part(self) -> bool:
        """Whether a script asks for the part of a page that changes, not for the whole."""
        return "hx-request" in self.request.headers

    def render(self, template: str, status: int = 200, **given: Any) -> Response:
        """The page, in the team's name and colours."""
        return render(self.request, self.team, template, status, user=self.user, session=self.session, **given)

    def go(self, path: str, said: str = "") -> Response:
        """On to *path* below `/account`, saying *said* there once."""
        return site.see_other(self.request, f"{HOME}{path}", said)


def render(request: Request, team: Team, template: str, status: int = 200, **given: Any) -> Response:
    """A page of *team*'s."""
    shades = (colours.by_day(team.colour), colours.by_night(team.colour)) if team.colour else None
    return site.render(request, template, status, team=team, shades=shades, **given)


async def _visit(request: Request, runtime: InRuntime) -> Visit:
    """Raises SignInNeeded."""
    caller, who = runtime.caller(request), await find_visitor(request, runtime)
    if who is None:
        value = site.cookie(runtime).read(request)
        team_id = await runtime.read(lambda unit: account_browsers.team_behind(unit, value))
        where = f"{HOME}/{team_id}" if team_id is not None else HOME
        raise SignInNeeded(where, partial="hx-request" in request.headers)
    if who.browser.is_due(runtime.clock.now()):
        await runtime.transact(lambda unit: account_browsers.note_seen(unit, who))
    return Visit(request, runtime, caller, who)


AtHome = Annotated[Visit, Depends(_visit)]


async def find_visitor(request: Request, runtime: Runtime) -> SignedIn | None:
    """Who is at this browser, if anybody."""
    value = site.cookie(runtime).read(request)
    if runtime.policy.test_mode:
        await _enter_world(runtime, await runtime.read(lambda unit: account_browsers.team_behind(unit, value)))
    return await runtime.read(lambda unit: account_browsers.find(unit, value))


async def _team(team_id: str, runtime: InRuntime) -> Team:
    """The team that a path names. Raises NotFound for one without account pages, too."""
    wanted = find_id(team_id)
    team = await runtime.read(lambda unit: teams.find(unit, wanted)) if wanted is not None else None
    if team is None or not team.account_pages:
        raise NotFound("account page")
    if runtime.policy.test_mode:
        await _enter_world(runtime, team.id)
    return team


OfTeam = Annotated[Team, Depends(_team)]


async def _enter_world(runtime: Runtime, team_id: UUID | None) -> None:
    if team_id is not None and (world := await runtime.read(lambda unit: worlds.find(unit, team_id))) is not None:
        travel(world)

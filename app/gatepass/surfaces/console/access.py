"""Who is at work: the operator behind a request's cookie, and the team that the request is about.

In test mode a team has a clock of its own. Who the operator is, is decided by the server's; from the team's door on,
everything happens, and is shown, in the team's time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Request, Response

from gatepass.adapters.worlds import travel
from gatepass.core import browser_sessions, operators, teams, worlds
from gatepass.core.browser_sessions import BrowserSession
from gatepass.core.errors import NotFound, Refusal
from gatepass.core.ids import find_id
from gatepass.core.operators import Operator
from gatepass.core.teams import Team
from gatepass.core.unit import Caller, Unit
from gatepass.pages import Form
from gatepass.surfaces.console.rooms import site
from gatepass.wiring import InRuntime, Runtime

T = TypeVar("T")


class SignInNeeded(Refusal):
    """Nobody is signed in; *after* is where to go on then. *partial*: the page asked for a part of itself."""

    def __init__(self, after: str, *, partial: bool) -> None:
        super().__init__("nobody is signed in")
        self.after = after
        self.partial = partial


@dataclass(frozen=True, slots=True)
class Desk:
    """One request of an operator at work."""

    request: Request
    runtime: Runtime
    caller: Caller
    operator: Operator
    session: BrowserSession

    async def read(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        """As `Runtime.read`."""
        return await self.runtime.read(work, caller=self.caller)

    async def transact(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        """As `Runtime.transact`; what is done is written down as this operator's doing."""
        return await self.runtime.transact(work, caller=self.caller)

    async def form(self) -> Form:
        """The form that was sent. Raises as `Site.form`."""
        return await site.form(self.request)

    def render(self, template: str, status: int = 200, **given: Any) -> Response:
        """The page, with the operator's name in its head."""
        return site.render(
            self.request,
            template,
            status,
            operator=self.operator,
            test_mode=self.runtime.policy.test_mode,
            **given,
        )

    def go(self, path: str, said: str = "") -> Response:
        """On to *path* below `/console`, saying *said* there once."""
        return site.see_other(self.request, f"/console{path}", said)


@dataclass(frozen=True, slots=True)
class TeamDesk(Desk):
    """The same about one team."""

    team: Team

    @property
    def home(self) -> str:
        """The team's path below `/console`."""
        return f"/teams/{self.team.id}"

    def render(self, template: str, status: int = 200, **given: Any) -> Response:
        return Desk.render(self, template, status, team=self.team, team_path=f"/console{self.home}", **given)


async def desk_of(request: Request, runtime: InRuntime) -> Desk:
    """Raises SignInNeeded."""
    value = site.cookie(runtime).read(request)
    found = await runtime.read(lambda unit: operators.authenticate(unit, value))
    if found is None:
        path = request.scope["path"] if request.method == "GET" else "/console"
        query = f"?{request.scope['query_string'].decode('latin-1')}" if request.scope["query_string"] else ""
        raise SignInNeeded(quote(path + query, safe=""), partial="hx-request" in request.headers)
    operator, session = found
    if session.is_due(runtime.clock.now()):
        await runtime.transact(lambda unit: browser_sessions.note_seen(unit, session))
    caller = runtime.caller(request)._replace(operator_id=operator.id)
    return Desk(request, runtime, caller, operator, session)


AtDesk = Annotated[Desk, Depends(desk_of)]


async def _team_desk(desk: AtDesk, team_id: str) -> TeamDesk:
    """Raises SignInNeeded, NotFound."""
    wanted = find_id(team_id)
    if wanted is None:
        raise NotFound("team")

    async def find(unit: Unit) -> tuple[Team, worlds.World | None]:
        team = await teams.get(unit, wanted)
        return team, await worlds.find(unit, wanted) if unit.policy.test_mode else None

    team, world = await desk.read(find)
    if world is not None:
        travel(world)
    return TeamDesk(desk.request, desk.runtime, desk.caller, desk.operator, desk.session, team)


AtTeam = Annotated[TeamDesk, Depends(_team_desk)]


def id_in_path(what: str, text: str) -> UUID:
    """The id that a path spells. Raises NotFound, for what is no id names nothing."""
    if (found := find_id(text)) is None:
        raise NotFound(what)
    return found

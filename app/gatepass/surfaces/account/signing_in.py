"""The door: which team's account, a code by mail, in and out again.

Asking looks the same for every address (contract elixir, E1), through the verbs and budgets of the API. What was asked
for waits in a sealed cookie of this browser, so that neither an address nor a transaction stands in a URL.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response

from gatepass.core import account_browsers, limits, otp, teams
from gatepass.core.addresses import Address
from gatepass.core.api_keys import App, Environment
from gatepass.core.browser_sessions import ABSOLUTE, Kind
from gatepass.core.errors import (
    InputRefused,
    OtpExpired,
    OtpLocked,
    OtpUnknown,
    ProofRefused,
    Refusal,
    TooManyRequests,
    UserBanned,
)
from gatepass.core.languages import preferred
from gatepass.core.limits import Budget
from gatepass.core.schema import DAY, MINUTE, SECOND
from gatepass.core.server_secret import SealBroken, sha256
from gatepass.core.sessions import BROWSER, Device
from gatepass.core.teams import Team
from gatepass.core.unit import Caller, Unit
from gatepass.pages.cookies import Cookie
from gatepass.surfaces.account.access import HOME, OfTeam, find_visitor, render, site
from gatepass.surfaces.account.refusals import spelling
from gatepass.surfaces.account.user_agents import browser_name
from gatepass.wiring import InRuntime, Runtime, what_next

router = APIRouter(prefix=HOME)

_PURPOSE = "account-code"
_LIFE = ABSOLUTE[Kind.USER] // SECOND
_KNOWN_FOR = 400 * DAY // SECOND
"""Seconds that a browser is known again after signing out; browsers keep no cookie for longer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A code under way to the mailbox that this browser named."""

    team_id: str
    transaction: str = field(repr=False)
    email: str


@router.get("")
async def front_door(request: Request, runtime: InRuntime) -> Response:
    """The account of whoever is signed in; else the teams to choose from, or what to do when there is none."""
    if await find_visitor(request, runtime) is not None:
        return site.see_other(request, f"{HOME}/security")
    open_teams = [team for team in await runtime.read(teams.list_all) if team.account_pages]
    if len(open_teams) == 1:
        return site.see_other(request, f"{HOME}/{open_teams[0].id}")
    return site.render(request, "front_door.html", teams=open_teams, team=None, shades=None)


@router.post("/sign-out")
async def sign_out(request: Request, runtime: InRuntime) -> Response:
    """End this browser's session, whatever it stands for."""
    await site.form(request)
    cookie = site.cookie(runtime)
    value = cookie.read(request)
    await find_visitor(request, runtime)
    await runtime.transact(lambda unit: account_browsers.close_browser(unit, value), caller=runtime.caller(request))
    return leave(request, runtime, "You are signed out.")


@router.get("/{team_id}")
async def ask_page(request: Request, runtime: InRuntime, team: OfTeam) -> Response:
    """Where an address is typed in. Whoever is signed in to this team already goes on."""
    who = await find_visitor(request, runtime)
    if who is not None and who.team.id == team.id:
        return site.see_other(request, f"{HOME}/security")
    return render(request, team, "ask.html", email="", problem=None)


@router.post("/{team_id}")
async def ask(request: Request, runtime: InRuntime, team: OfTeam) -> Response:
    """Mail a code."""
    form = await site.form(request)
    typed = form.get("email", "")[:300]
    languages = _languages(request)

    async def work(unit: Unit) -> tuple[Address, otp.Requested]:
        rates = unit.policy.limits.login_per_client
        await limits.spend(unit, Budget("login_per_client", rates, f"{team.id}|{unit.caller.network}"))
        address = Address.parse(typed, dotless=unit.policy.dotless_domains)
        return address, await otp.request(unit, _app(team), address, locale=languages or "en")

    try:
        address, requested = await runtime.transact(work, caller=runtime.caller(request))
    except InputRefused:
        problem = "That is not an e-mail address. Write it like ada@example.com."
        return render(request, team, "ask.html", 422, email=typed, problem=problem)
    except TooManyRequests as refusal:
        return _once_more(request, team, "ask.html", refusal, email=typed)
    answer = site.see_other(request, f"{HOME}/{team.id}/code")
    asked = Asked(str(team.id), str(requested.transaction_id), address.typed)
    _asked_cookie(runtime).write(answer, _sealed(runtime, asked), max_age=runtime.policy.code_ttl // SECOND)
    return answer


@router.get("/{team_id}/code")
async def code_page(request: Request, runtime: InRuntime, team: OfTeam) -> Response:
    """Where the code is typed in."""
    if (asked := _asked(request, runtime, team)) is None:
        return site.see_other(request, f"{HOME}/{team.id}")
    return _code_page(request, runtime, team, asked, 200, problem=None)


@router.post("/{team_id}/code")
async def verify(request: Request, runtime: InRuntime, team: OfTeam) -> Response:
    """Trade the code for a session, and the browser's cookie for a new one that holds it."""
    form = await site.form(request)
    if (asked := _asked(request, runtime, team)) is None:
        return site.see_other(request, f"{HOME}/{team.id}")
    value, old = site.new_value(), site.cookie(runtime).read(request)
    known = _known_cookie(runtime)
    known_value = known.read(request) or site.new_value()
    device = Device(
        browser_name(request.headers.get("user-agent", "")), sha256(known_value).hex()[:32], _languages(request)
    )

    async def work(unit: Unit) -> otp.Verified:
        verified = await otp.verify(unit, _app(team), asked.transaction, form.get("code", ""), device=device)
        await account_browsers.open_browser(unit, value, verified.grant, instead_of=old)
        return verified

    try:
        verified = await runtime.transact(work, caller=_as_browser(runtime.caller(request)))
    except (OtpUnknown, OtpExpired, OtpLocked) as refusal:
        answer = _once_more(request, team, "ask.html", refusal, email=asked.email)
        _asked_cookie(runtime).clear(answer)
        return answer
    except (ProofRefused, TooManyRequests) as refusal:
        status, title, words = spelling(refusal)
        return _code_page(request, runtime, team, asked, status, problem=f"{title}. {words}")
    except UserBanned as refusal:
        return _once_more(request, team, "ask.html", refusal, email=asked.email)
    answer = site.see_other(request, f"{HOME}/security", "Your account was made." if verified.new_account else "")
    site.cookie(runtime).write(answer, value, max_age=_LIFE)
    known.write(answer, known_value, max_age=_KNOWN_FOR)
    _asked_cookie(runtime).clear(answer)
    return answer


def leave(request: Request, runtime: Runtime, said: str) -> Response:
    """Out of the door, with nothing left in the browser but that it is known."""
    answer = site.see_other(request, HOME, said)
    site.cookie(runtime).clear(answer)
    answer.headers["clear-site-data"] = '"cache"'
    return answer


def _code_page(
    request: Request, runtime: Runtime, team: Team, asked: Asked, status: int, *, problem: str | None
) -> Response:
    return render(
        request,
        team,
        "code.html",
        status,
        email=asked.email,
        minutes=runtime.policy.code_ttl // MINUTE,
        digits=team.code_length or runtime.policy.code_length,
        problem=problem,
    )


def _once_more(request: Request, team: Team, template: str, refusal: Refusal, *, email: str) -> Response:
    """The first page again, with what was wrong about it."""
    status, title, words = spelling(refusal)
    answer = render(request, team, template, status, email=email, problem=f"{title}. {words}")
    answer.headers.update(what_next(refusal))
    return answer


def _app(team: Team) -> App:
    """The team as an app of its own: the pages speak for what its users use."""
    return App(team, Environment.PRODUCTION, None)


def _as_browser(caller: Caller) -> Caller:
    return caller._replace(sdk=BROWSER)


def _languages(request: Request) -> str:
    return preferred(",".join(request.headers.getlist("accept-language")))


def _known_cookie(runtime: Runtime) -> Cookie:
    """By which a browser is known again when it signs in: it opens nothing."""
    return Cookie("account-known", runtime.settings.public_url)


def _asked_cookie(runtime: Runtime) -> Cookie:
    return Cookie("account-asked", runtime.settings.public_url)


def _sealed(runtime: Runtime, asked: Asked) -> str:
    document = json.dumps([asked.team_id, asked.transaction, asked.email]).encode()
    return base64.urlsafe_b64encode(runtime.secret.seal(_PURPOSE, document)).decode()


def _asked(request: Request, runtime: Runtime, team: Team) -> Asked | None:
    """What this browser asked for; None for nothing, or for another team's."""
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(_asked_cookie(runtime).name, ""))
        asked = Asked(*json.loads(runtime.secret.open(_PURPOSE, sealed)))
    except (SealBroken, ValueError):
        return None
    return asked if asked.team_id == str(team.id) else None

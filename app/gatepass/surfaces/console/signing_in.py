"""The door: the one-time link, signing in, signing out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gatepass.adapters import passwords
from gatepass.core import browser_sessions, operators
from gatepass.core.browser_sessions import ABSOLUTE, Kind
from gatepass.core.errors import Conflict, InputRefused, PasswordWrong, Refusal, TooManyRequests
from gatepass.core.operators import Operator
from gatepass.core.schema import SECOND
from gatepass.core.unit import Unit
from gatepass.pages.site import own_path
from gatepass.surfaces.console.refusals import spelling
from gatepass.surfaces.console.rooms import site
from gatepass.wiring import InRuntime, Runtime

router = APIRouter(prefix="/console")

_LIFE = ABSOLUTE[Kind.OPERATOR] // SECOND


@router.get("/sign-in")
async def sign_in_page(request: Request, runtime: InRuntime) -> Response:
    """The form; for whoever is signed in already, the way on."""
    after = own_path(request.query_params.get("next", ""), "/console")
    value = site.cookie(runtime).read(request)
    found, anybody = await runtime.read(lambda unit: _who(unit, value))
    if found is not None or not anybody:
        return site.see_other(request, after if found is not None else "/console")
    return site.render(request, "sign_in.html", name="", after=after, problem=None)


async def _who(unit: Unit, value: str | None) -> tuple[Operator | None, bool]:
    found = await operators.authenticate(unit, value)
    return (found[0] if found else None), await operators.are_there_any(unit)


@router.post("/sign-in")
async def sign_in(request: Request, runtime: InRuntime) -> Response:
    """Check name and password. A browser that is let in gets a new cookie, and what it had before is worth nothing."""
    form = await site.form(request)
    after = own_path(form.get("next", ""), "/console")
    name = form.get("name", "")[:100]
    try:
        value = await _sign_in(request, runtime, name, form.secret("password"))
    except (PasswordWrong, TooManyRequests) as refusal:
        return _once_more(request, "sign_in.html", refusal, name=name, after=after)
    return _welcome(request, runtime, value, after)


async def _sign_in(request: Request, runtime: Runtime, name: str, password: str) -> str:
    """The cookie value that stands for the operator from now on. Raises PasswordWrong, TooManyRequests."""
    caller, value, old = runtime.caller(request), site.new_value(), site.cookie(runtime).read(request)
    attempt = await runtime.transact(lambda unit: operators.begin_sign_in(unit, name), caller=caller)
    right = await passwords.check_password(password, attempt.password)

    async def finish(unit: Unit) -> None:
        await operators.finish_sign_in(unit, attempt, value, right=right)
        await browser_sessions.close(unit, old)

    await runtime.transact(finish, caller=caller)
    return value


def _welcome(request: Request, runtime: Runtime, value: str, after: str, said: str = "") -> Response:
    answer = site.see_other(request, after, said)
    site.cookie(runtime).write(answer, value, max_age=_LIFE)
    return answer


def _once_more(request: Request, template: str, refusal: Refusal, **given: object) -> Response:
    """The form again, with what was wrong about it."""
    status, title, words = spelling(refusal)
    answer = site.render(request, template, status, problem=f"{title}. {words}", **given)
    if isinstance(refusal, TooManyRequests):
        answer.headers["retry-after"] = str(refusal.retry_after)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, runtime: InRuntime) -> Response:
    """End this browser's session, whatever it stands for."""
    await site.form(request)
    cookie = site.cookie(runtime)
    await runtime.transact(lambda unit: browser_sessions.close(unit, cookie.read(request)))
    answer = site.see_other(request, "/console/sign-in")
    cookie.clear(answer)
    answer.headers["clear-site-data"] = '"cache"'
    return answer


@router.get("/link/{token}")
async def link_page(token: str, request: Request, runtime: InRuntime) -> Response:
    """What a one-time link is for. Looking spends nothing: mail programs and chats look, too."""
    link = await runtime.read(lambda unit: operators.look_at_link(unit, token))
    return site.render(request, "link.html", invited=link.operator, expires_at=link.expires_at, name="", problem=None)


@router.post("/link/{token}")
async def use_link(token: str, request: Request, runtime: InRuntime) -> Response:
    """Choose a password, and a name for the first operator; from here on the link is spent."""
    form = await site.form(request)
    link = await runtime.read(lambda unit: operators.look_at_link(unit, token))
    name, password = form.get("name", "")[:200], form.secret("password")
    try:
        if password != form.secret("password_again"):
            raise InputRefused("password_again", "is not the same as the first")
        name = link.operator.name if link.operator else operators.normal_name(name)
        hashed = await passwords.hash_password(password)
        value = site.new_value()
        operator = await runtime.transact(
            lambda unit: operators.use_link(unit, token, name, hashed, value), caller=runtime.caller(request)
        )
    except (InputRefused, Conflict) as refusal:
        status, _, words = spelling(refusal)
        return site.render(
            request,
            "link.html",
            status,
            invited=link.operator,
            expires_at=link.expires_at,
            name=name,
            problem=words,
        )
    return _welcome(request, runtime, value, "/console", f"Welcome, {operator.name}. The link is used up.")

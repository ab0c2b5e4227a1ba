"""The first page: how things stand, or what to do when there is nobody yet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request, Response

from gatepass.adapters import readiness
from gatepass.core import daily_counts, operators, outbox, signing_keys, teams
from gatepass.core.errors import InputRefused
from gatepass.core.facts import Fact
from gatepass.core.ids import find_id
from gatepass.core.outbox import Standing
from gatepass.core.schema import DAY
from gatepass.core.signing_keys import Listed, Ring, State
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.pages.charts import Plot, Series, number
from gatepass.surfaces.console.access import desk_of
from gatepass.surfaces.console.rooms import site
from gatepass.wiring import InRuntime

router = APIRouter()

SPANS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "A year"))
_METHODS = (
    (Fact.SIGN_IN_BY_CODE, "E-mailed code"),
    (Fact.SIGN_IN_BY_QR, "QR code"),
    (Fact.SIGN_IN_BY_TOKEN, "Sign-in token"),
    (Fact.SIGN_IN_BY_REIKEY, "Desktop key"),
)
Days = dict[int, Counter[Fact]]


@router.get("/console")
async def home(request: Request, runtime: InRuntime) -> Response:
    """The overview; without an operator, how to make one."""
    if not await runtime.read(operators.are_there_any):
        return site.render(request, "nobody.html", test_mode=runtime.policy.test_mode)
    desk = await desk_of(request, runtime)
    span, team_id = _asked(request)
    await runtime.tally.write(runtime.transact)
    health = await readiness.look(runtime.read)
    found = await desk.read(lambda unit: _look(unit, span, team_id))
    return desk.render(
        "home.html",
        teams=found.teams,
        team_id=str(team_id or ""),
        choices=[("", "All teams"), *((str(team.id), team.name) for team in found.teams)],
        span=str(span),
        spans=SPANS,
        health=health,
        is_sqlite=runtime.database.is_sqlite,
        outbox=found.mail,
        signing=found.signing,
        tiles=tiles_of(found.days),
        plots=plots_of(found.days),
    )


def _asked(request: Request) -> tuple[int, UUID | None]:
    """How many days back, and of which team. Raises InputRefused."""
    span = request.query_params.get("days", "30")
    if span not in dict(SPANS):
        raise InputRefused("days", f"is one of {', '.join(dict(SPANS))}")
    team = request.query_params.get("team", "")
    team_id = find_id(team)
    if team and team_id is None:
        raise InputRefused("team", "is no id of a team")
    return int(span), team_id


@dataclass(frozen=True, slots=True)
class _Found:
    teams: list[Team]
    days: Days
    mail: Standing
    signing: list[Listed]


async def _look(unit: Unit, span: int, team_id: UUID | None) -> _Found:
    if team_id is not None:
        await teams.get(unit, team_id)
    first = daily_counts.day_of(unit.now) - (span - 1) * DAY
    counted = await daily_counts.read(unit, since=first, team_id=team_id)
    days = {first + number * DAY: counted.get(first + number * DAY, Counter()) for number in range(span)}
    keys = await signing_keys.list_all(unit, signing_keys.DEPLOYMENT)
    signing = [key for key in keys if key.ring is Ring.ACCESS and key.state in (State.SIGNING, State.WAITING)]
    return _Found(await teams.list_all(unit), days, await outbox.read_standing(unit), signing)


def plots_of(days: Days) -> list[Plot]:
    """What the page draws."""
    at = list(days)

    def series(label: str, *facts: Fact) -> Series:
        return Series(label, [sum(counts[fact] for fact in facts) for counts in days.values()])

    def rate(label: str, fact: Fact) -> Series:
        return Series(label, [share(counts[fact], counts[Fact.CODE_SENT]) for counts in days.values()])

    used = [series(label, fact) for fact, label in _METHODS if fact is not Fact.SIGN_IN_BY_REIKEY]
    desktop = series("Desktop key", Fact.SIGN_IN_BY_REIKEY)
    return [
        Plot("sign-ins", "Sign-ins by method", at, [*used, desktop] if desktop.total else used),
        Plot(
            "codes",
            "Codes: delivered, and used to sign in",
            at,
            [rate("Delivered", Fact.CODE_DELIVERED), rate("Signed in", Fact.CODE_VERIFIED)],
            unit="%",
            beside=[
                series("Sent", Fact.CODE_SENT),
                series("Delivered", Fact.CODE_DELIVERED),
                series("Rejected by mail servers", Fact.CODE_REJECTED),
                series("Right", Fact.CODE_VERIFIED),
                series("Wrong or too late", Fact.CODE_REFUSED),
            ],
        ),
        Plot("refreshes", "Refreshes", at, [series("Refreshes", Fact.REFRESH)]),
        Plot(
            "recoveries",
            "Lost answers and stolen tokens",
            at,
            [series("Recovered", Fact.RECOVERY), series("Ended by reuse", Fact.REUSE)],
        ),
    ]


def share(part: int, whole: int) -> float | None:
    """Percent; None of nothing. What was sent before midnight may arrive after: never more than 100."""
    return None if whole == 0 else min(100.0, 100 * part / whole)


def tiles_of(days: Days) -> list[tuple[str, str, str]]:
    """The whole time in six numbers: what, how many, and how that is meant."""
    total: Counter[Fact] = sum(days.values(), Counter())
    sent = total[Fact.CODE_SENT]
    return [
        ("Sign-ins", number(sum(total[fact] for fact, _ in _METHODS)), ""),
        ("Refreshes", number(total[Fact.REFRESH]), ""),
        ("Recovered", number(total[Fact.RECOVERY]), "answers lost on the way"),
        ("Reuse", number(total[Fact.REUSE]), "sessions ended"),
        ("Codes delivered", number(share(total[Fact.CODE_DELIVERED], sent), "%"), f"of {number(sent)} sent"),
        ("Codes used", number(share(total[Fact.CODE_VERIFIED], sent), "%"), f"of {number(sent)} sent"),
    ]

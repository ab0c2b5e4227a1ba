"""Worlds in test mode: making, switching and dropping them, turning their clocks, and letting things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from gatepass.core import teams, worlds
from gatepass.core.errors import InputRefused, NotFound
from gatepass.core.schema import DAY, HOUR, MINUTE, SECOND
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.core.worlds import World
from gatepass.pages import Form
from gatepass.surfaces.console.access import AtDesk, AtTeam, TeamDesk, id_in_path
from gatepass.traffic import Traffic, traffic_of, worlds_of
from gatepass.traffic import worlds as running
from gatepass.traffic.faults import Do, Fault, Match
from gatepass.wiring import InRuntime


async def _in_test_mode(runtime: InRuntime) -> None:
    """Raises NotFound: outside of test mode there are no worlds."""
    if not runtime.policy.test_mode:
        raise NotFound("page")


in_test_mode = Depends(_in_test_mode)
router = APIRouter(prefix="/console", dependencies=[in_test_mode])

UNITS = {"minutes": MINUTE, "hours": HOUR, "days": DAY, "seconds": SECOND}
KINDS = (
    ("commit_then_drop", "Done, but the answer is lost"),
    ("commit_then_503", "Done, but answered 503"),
    ("status", "Refused with a status, nothing done"),
    ("truncate", "Done, half of the answer arrives"),
    ("delay", "Done, answered late"),
    ("hang", "Done, never answered"),
    ("duplicate", "Done twice, as a retrying proxy would"),
)
SEEN = 30
"""Calls on the page."""
MOST_FAULTS = 100


@dataclass(frozen=True, slots=True)
class ShownClock:
    """A world's clock beside the server's. Instants and *ahead* in ms."""

    now: int
    ahead: int
    stands: bool

    @classmethod
    def of(cls, world: World, server: int) -> ShownClock:
        now = world.now(server)
        return cls(now, now - server, world.stands_at is not None)


# All of them.


@router.get("/worlds")
async def list_worlds(request: Request, desk: AtDesk) -> Response:
    """Every team with its clock, and where to go on."""
    server = worlds_of(request).clock.server.now()

    async def work(unit: Unit) -> list[tuple[Team, World]]:
        return [(team, await worlds.find(unit, team.id) or World(team.id)) for team in await teams.list_all(unit)]

    found = await desk.read(work)
    shown = [(team, world, ShownClock.of(world, server)) for team, world in found]
    return desk.render("worlds.html", worlds=shown, server=server)


@router.post("/worlds")
async def make(request: Request, desk: AtDesk) -> Response:
    """A fresh world; this page alone shows its keys."""
    form = await desk.form()
    name, seed = form.text("name", most=100), form.text("seed", most=100)
    made = await running.make(desk.transact, worlds_of(request), name or "World", seed or None)
    return desk.render("world_made.html", 201, made=made)


@router.post("/worlds/{team_id}/drop")
async def drop(team_id: str, request: Request, desk: AtDesk) -> Response:
    """Leave nothing of it."""
    await desk.form()
    wanted = id_in_path("world", team_id)
    await running.drop(desk.transact, desk.runtime, worlds_of(request), traffic_of(request), wanted)
    return desk.go("/worlds", "The world is gone, with all that was in it.")


# One of them.


@router.get("/teams/{team_id}/world")
async def show(request: Request, desk: AtTeam) -> Response:
    """Its clock, what is to go wrong in it, and its latest calls."""
    return await _page(request, desk)


@router.post("/teams/{team_id}/world/clock")
async def turn_clock(request: Request, desk: AtTeam) -> Response:
    """Let time pass, stand, or run as the server's does."""
    form = await desk.form()
    try:
        change, said = _turn(form)
        await running.turn(desk.transact, worlds_of(request), desk.team.id, change)
    except InputRefused as refused:
        return await _page(request, desk, refused)
    return desk.go(f"{desk.home}/world", said)


@router.post("/teams/{team_id}/world/faults")
async def order_fault(request: Request, desk: AtTeam) -> Response:
    """Let one more thing go wrong; those set before begin to count anew."""
    form, traffic = await desk.form(), traffic_of(request)
    try:
        standing = [armed.fault for armed in traffic.faults(desk.team.id).armed]
        if len(standing) >= MOST_FAULTS:
            raise InputRefused("", "there are enough faults already: clear some first")
        traffic.order(desk.team.id, [*standing, _fault(form, traffic)])
    except InputRefused as refused:
        return await _page(request, desk, refused)
    return desk.go(f"{desk.home}/world", "It will go wrong.")


@router.post("/teams/{team_id}/world/faults/clear")
async def clear_faults(request: Request, desk: AtTeam) -> Response:
    """Let nothing more go wrong."""
    await desk.form()
    traffic_of(request).order(desk.team.id, [])
    return desk.go(f"{desk.home}/world", "Nothing more goes wrong.")


async def _page(request: Request, desk: TeamDesk, problem: InputRefused | None = None) -> Response:
    traffic = traffic_of(request)
    world = await desk.read(lambda unit: worlds.get(unit, desk.team.id))
    return desk.render(
        "world.html",
        422 if problem else 200,
        problem=problem,
        clock=ShownClock.of(world, worlds_of(request).clock.server.now()),
        units=[(name, name) for name in UNITS],
        kinds=KINDS,
        kind_words=dict(KINDS),
        routes=[("", "Any call"), *((path, path) for path in _paths(traffic))],
        faults=[armed.standing() for armed in traffic.faults(desk.team.id).armed],
        calls=traffic.journal(desk.team.id).select()[::-1][:SEEN],
    )


def _paths(traffic: Traffic) -> list[str]:
    """What an app or its backend calls; the console's own pages are not among them."""
    left_out = ("/console", "/account", "/admin", "/assets", "/docs", "/openapi", "/livez", "/readyz", "/metrics")
    return sorted({route.template for route in traffic.routes if not route.template.startswith(left_out)} - {"/"})


def _turn(form: Form) -> tuple[Callable[[World], World], str]:
    """What the form makes of a clock, and how to say it. Raises InputRefused."""
    match form.choice("do", "advance", "stand", "run"):
        case "advance":
            amount, unit = form.number("amount", 1, 100_000), form.choice("unit", *UNITS)
            if amount is None:
                raise InputRefused("amount", "is missing: how much time is to pass")
            return partial(_later, ms=amount * UNITS[unit]), f"{amount} {unit} have passed."
        case "stand":
            return partial(
                replace, stands_at=_instant(form.text("at", most=40)), offset_ms=0
            ), "The clock stands still."
        case _:
            return partial(replace, stands_at=None, offset_ms=0), "The clock runs as the server's does."


def _later(world: World, *, ms: int) -> World:
    return world.later(ms)


def _instant(text: str) -> int:
    """Epoch ms of what a date-and-time field sends, meant in UTC. Raises InputRefused."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputRefused("at", "is no instant: write it like 2026-09-21T14:00") from None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * SECOND)


def _fault(form: Form, traffic: Traffic) -> Fault:
    """Raises InputRefused."""
    kind = form.choice("kind", *(kind for kind, _ in KINDS))
    path, times = form.text("path") or None, form.number("times", 0, 1_000_000)
    if path is not None and path not in _paths(traffic):
        raise InputRefused("path", "is no route of an app")
    try:
        return Fault(
            match=Match(path=path, nth=form.number("nth", 1, 1_000_000) or 1),
            do=Do(
                kind=kind,
                status=(form.number("status", 400, 599) or 503) if kind == "status" else None,
                delay_ms=(form.number("delay_ms", 0, 600_000) or 2_000) if kind == "delay" else None,
            ),
            times=1 if times is None else times,
        )
    except ValidationError:
        raise InputRefused("", "such a fault cannot be") from None

"""Gatepass itself, as the installed command serves it in production, on PostgreSQL or SQLite."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

from machine import Process, free_port
from sqlalchemy import func, select

from contestants import seeds
from contestants.seeds import Seeded, Settings, Surface
from contestants.sink import sink
from contestants.stage import Contestant, Lane, Stage, Target
from gatepass.core import outbox

SECRET = "a-secret-for-measurements-0123456789abcdef"
DISCARD = "smtp://127.0.0.1:9"
"""Nobody listens there; no mode but `otp` sends mail."""
COMMAND = Path(sys.executable).parent / "gatepass"
JUNCTION_TOKEN = "/v1/token"
EXCHANGE = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type=urn:junction:sign-in-token"
CLIENTS = 1_000
"""Client addresses that exchanges come from, told by X-Forwarded-For: budgets are spent as in life, and none runs out."""

Fill = Callable[[Seeded, Stage], Awaitable[list[str]]]


@dataclass(frozen=True)
class Plan:
    """One way to load Gatepass: the path and script, the items of the pool, and what the script is told."""

    path: str
    script: str
    fill: Fill
    given: Callable[[Seeded], dict[str, str]] = lambda _: {}
    settings: tuple[tuple[str, str], ...] = ()
    mails: bool = False


def contestant(kind: str, plan: Plan, *, name: str | None = None, workers: int | None = None) -> Contestant:
    """Gatepass on *kind*, `postgres` or `sqlite`, with as many processes as the stage says unless *workers* does."""

    @contextmanager
    def prepare(stage: Stage) -> Iterator[Lane]:
        called = name or f"gatepass-{kind}"
        room, port = stage.room(called), free_port()
        database = stage.database(called) if kind == "postgres" else f"sqlite:///{room / 'gatepass.db'}"
        with sink(room) if plan.mails else _nowhere() as smtp:
            given = {
                "SECRET_KEY": SECRET,
                "DATABASE_URL": database,
                "PUBLIC_URL": f"http://127.0.0.1:{port}",
                "SMTP_URL": smtp,
                "LOG_FORMAT": "json",
                **dict(plan.settings),
            }
            settings = Settings(_env_file=None, **{key.lower(): value for key, value in given.items()})
            seeded, items = asyncio.run(_seed(settings, plan.fill, stage))
            pool = room / "pool"
            pool.write_text("".join(f"{item}\n" for item in items))
            process = serve(room, port, given, workers=workers or stage.workers, cores=stage.cores)
            try:
                process.wait_until("/readyz")
                yield Lane(
                    process,
                    Target(process.url + plan.path, plan.script, pool, plan.given(seeded)),
                    uses_database=kind == "postgres",
                    starts_empty=plan.mails,
                    notes=(lambda: asyncio.run(_mails_waiting(settings))) if plan.mails else dict,
                )
            finally:
                process.stop()

    return Contestant(name or f"gatepass-{kind}", prepare)


def serve(room: Path, port: int, given: dict[str, str], *, workers: int = 1, cores: str | None = None) -> Process:
    """Start `gatepass serve` with the settings *given* (without their prefix), its JSON log in a file."""
    return Process.start(
        [COMMAND, "serve", "--port", str(port), "--workers", str(workers)],
        port=port,
        directory=room,
        environment={f"GATEPASS_{key}": value for key, value in given.items()},
        cores=cores,
    )


async def _seed(settings: Settings, fill: Fill, stage: Stage) -> tuple[Seeded, list[str]]:
    seeded = await seeds.seed(settings)
    try:
        return seeded, await fill(seeded, stage)
    finally:
        await seeded.runtime.close()


async def _mails_waiting(settings: Settings) -> dict[str, int]:
    """How many mails have not left yet, right after the load ended."""
    runtime = seeds.Runtime(settings)
    pending = select(func.count()).where(outbox.outbox.c.settled_at.is_(None), outbox.outbox.c.deliver)
    try:
        return {"mails_waiting": await runtime.read(lambda unit: unit.db.scalar(pending)) or 0}
    finally:
        await runtime.close()


@contextmanager
def _nowhere() -> Iterator[str]:
    yield DISCARD


def _line(method: str, path: str, body: str = "", **headers: str) -> str:
    """One request as `requests.lua` reads it; header names come with underscores."""
    spelled = (f"{name.replace('_', '-')}: {value}" for name, value in headers.items())
    return "\t".join((method, path, body, *spelled))


# What each mode fills its pool with.


def refreshing(surface: Surface) -> Fill:
    async def fill(seeded: Seeded, stage: Stage) -> list[str]:
        return [seeded.refresh_token(grant) for grant in await seeds.signed_in(seeded, stage.pool, surface)]

    return fill


async def minting(seeded: Seeded, stage: Stage) -> list[str]:
    grants = await seeds.signed_in(seeded, stage.pool, Surface.JUNCTION)
    return [
        _line("POST", f"/v2/user/{grant.user_id}/sign_in_token", X_Vital_API_Key=seeded.secret_key) for grant in grants
    ]


async def exchanging(seeded: Seeded, stage: Stage) -> list[str]:
    tokens = await seeds.vouched_for(seeded, stage.spendable)
    return [
        _line(
            "POST",
            JUNCTION_TOKEN,
            f"{EXCHANGE}&subject_token={quote_plus(token)}",
            Content_Type="application/x-www-form-urlencoded",
            X_Forwarded_For=f"10.9.{number % CLIENTS // 256}.{number % CLIENTS % 256}",
        )
        for number, token in enumerate(tokens)
    ]


async def verifying(seeded: Seeded, stage: Stage) -> list[str]:
    return [
        _line(
            "GET",
            "/sdk/v2/userinfo",
            X_API_Key=seeded.development_key,
            Authorization=f"Bearer {await seeded.access_token(grant)}",
        )
        for grant in await seeds.signed_in(seeded, stage.pool, Surface.ELIXIR)
    ]


async def reading_oneself(seeded: Seeded, stage: Stage) -> list[str]:
    return [
        _line("GET", f"/v2/user/{grant.user_id}", Authorization=f"Bearer {await seeded.access_token(grant)}")
        for grant in await seeds.signed_in(seeded, stage.pool, Surface.JUNCTION)
    ]


async def introspecting(seeded: Seeded, stage: Stage) -> list[str]:
    return [
        _line(
            "POST",
            "/oauth/introspect",
            f"token={await seeded.access_token(grant)}",
            Content_Type="application/x-www-form-urlencoded",
            X_Vital_API_Key=seeded.secret_key,
        )
        for grant in await seeds.signed_in(seeded, stage.pool, Surface.JUNCTION)
    ]


async def reading_keys(_: Seeded, __: Stage) -> list[str]:
    return [_line("GET", "/.well-known/jwks.json")]


async def nothing(_: Seeded, __: Stage) -> list[str]:
    return []


def _requests(fill: Fill, expected: str, *, once: bool = False, settings: tuple[tuple[str, str], ...] = ()) -> Plan:
    given = {"EXPECTED": expected, "ONCE": "1" if once else "0"}
    return Plan("/", "requests", fill, lambda _: given, settings)


BEHIND_A_PROXY = (("TRUSTED_PROXIES", "127.0.0.1"),)

ELIXIR_REFRESH = Plan(
    "/sdk/auth/v2/session/refresh",
    "elixir_refresh",
    refreshing(Surface.ELIXIR),
    lambda seeded: {"KEY": seeded.development_key},
)
JUNCTION_REFRESH = Plan(JUNCTION_TOKEN, "form_refresh", refreshing(Surface.JUNCTION))
MINT = _requests(minting, '"sign_in_token"')
EXCHANGE_ONCE = _requests(
    exchanging, '"refresh_token"', once=True, settings=(*BEHIND_A_PROXY, ("SIGN_IN_TOKEN_TTL", "3600"))
)
USERINFO = _requests(verifying, '"success":true')
OWN_USER = _requests(reading_oneself, '"user_id"')
INTROSPECT = _requests(introspecting, '"active":true')
JWKS = _requests(reading_keys, '"keys"')
SIGN_IN = Plan(
    "/",
    "elixir_otp",
    nothing,
    lambda seeded: {"KEY": seeded.development_key},
    (*BEHIND_A_PROXY, ("EXPOSE_USER_CODE", "true")),
    mails=True,
)

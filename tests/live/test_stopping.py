"""SIGTERM under load: who is being served is answered, and behind a proxy nobody notices."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

import figures
import fleet
from commands import Running
from crowd import crowd, good_answer_after
from gatepass.adapters.database import Database
from gatepass.core.sessions import sessions
from harness import LOGIN
from ledger import Ledger
from network import silent_host
from phones import Deployment, ElixirPhone, JunctionPhone, Phone
from postgres import Cluster, free_port
from proxy import nginx

pytestmark = pytest.mark.live

STOP_LIMIT = 15.0
"""Seconds from SIGTERM to the exit: ten for requests, what is left for mails under way."""
MOMENTS = (0.3, 5.0)
"""Seconds that the database has been silent when a server is told to stop."""
ROUNDS = 5
PHONES = 10


@asynccontextmanager
async def everything_held(database_url: str) -> AsyncIterator[None]:
    """Nobody can write to a session, on SQLite to anything, until the block ends."""
    elsewhere = Database(database_url)
    try:
        async with elsewhere.engine.connect() as db:
            await db.execution_options(gatepass_writes=True)
            await db.execute(select(sessions.c.id).with_for_update())
            yield
    finally:
        await elsewhere.dispose()


async def stopped(server: Running) -> float:
    """Send SIGTERM and wait; how long it took to exit, in seconds. It must say 0."""
    began = time.monotonic()
    assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0, server.log
    return time.monotonic() - began


@pytest.mark.parametrize("workers", [1, 3])
async def test_requests_under_way_are_answered_before_the_server_goes(
    live_database_url: str, tmp_path: Path, workers: int
) -> None:
    port = free_port()
    settings = fleet.settings_for(live_database_url, port)
    deployment = await fleet.deploy(settings)
    ledger = Ledger()
    async with (
        fleet.serve(tmp_path, port, settings, workers=workers) as server,
        httpx.AsyncClient(base_url=deployment.url, timeout=30) as http,
    ):
        phones = signed_in(deployment, http, ledger)
        await asyncio.gather(*(phone.sign_in() for phone in phones))
        async with everything_held(live_database_url):
            refreshes = [asyncio.create_task(phone.refresh()) for phone in phones]
            await asyncio.sleep(0.3)  # until each is in a server's hands, which nothing tells
            leaving = asyncio.create_task(stopped(server))
            await asyncio.sleep(0.7)
            assert not any(refresh.done() for refresh in refreshes)
        await asyncio.gather(*refreshes)
        assert await leaving < STOP_LIMIT
    assert not ledger.violations
    assert (ledger.answers["refresh 200"], ledger.count("503"), ledger.count("dropped")) == (PHONES, 0, 0)


async def test_workers_whose_supervisor_was_killed_answer_what_they_have_and_go(
    live_database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    settings = fleet.settings_for(live_database_url, port)
    deployment = await fleet.deploy(settings)
    ledger = Ledger()
    async with (
        fleet.serve(tmp_path, port, settings) as server,
        httpx.AsyncClient(base_url=deployment.url, timeout=30) as http,
    ):
        phones = signed_in(deployment, http, ledger)
        await asyncio.gather(*(phone.sign_in() for phone in phones))
        workers = fleet.workers_of(server)
        async with everything_held(live_database_url):
            refreshes = [asyncio.create_task(phone.refresh()) for phone in phones]
            await asyncio.sleep(0.3)  # until each is in a server's hands, which nothing tells
            server.process.kill()
            killed = time.monotonic()
            await asyncio.sleep(0.7)
            assert not any(refresh.done() for refresh in refreshes)
        await asyncio.gather(*refreshes)
        while fleet.alive(workers):
            assert time.monotonic() < killed + STOP_LIMIT
            await asyncio.sleep(0.05)
    assert not ledger.violations
    assert (ledger.answers["refresh 200"], ledger.count("503"), ledger.count("dropped")) == (PHONES, 0, 0)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_server_stops_in_time_whose_database_and_mail_have_fallen_silent(
    own_postgres: Cluster, tmp_path: Path, workers: int
) -> None:
    """With refreshes, sign-ins and mails in its hands, told twice, at several moments after the silence began."""
    took, asked_for = [], 0
    async with silent_host() as (mail_port, came):
        for number, moment in enumerate(MOMENTS):
            room = tmp_path / str(number)
            room.mkdir()
            port = free_port()
            url = own_postgres.create_database(f"silent_{number}")
            settings = fleet.settings_for(url, port, smtp_url=f"smtp://127.0.0.1:{mail_port}")
            deployment = await fleet.deploy(settings)
            async with (
                fleet.serve(room, port, settings, workers=workers) as server,
                httpx.AsyncClient(base_url=deployment.url, timeout=60) as http,
            ):
                phones = signed_in(deployment, http, Ledger())
                came.clear()
                await asyncio.gather(*(phone.sign_in() for phone in phones))
                async with asyncio.timeout(30):
                    while not came:
                        await asyncio.sleep(0.01)
                own_postgres.freeze()
                try:
                    key = {"x-api-key": deployment.publishable_key}
                    asked = [asyncio.create_task(phone.ask_for_refresh(phone.refresh_token)) for phone in phones]
                    for phone in phones:
                        body = {"email": f"{phone.name}@example.com"}
                        asked.append(asyncio.create_task(http.post(LOGIN, json=body, headers=key)))
                    await asyncio.sleep(moment)
                    leaving = asyncio.create_task(stopped(server))
                    await asyncio.sleep(1)
                    server.process.send_signal(signal.SIGTERM)
                    took.append(await leaving)
                    answers = await asyncio.gather(*asked)
                finally:
                    own_postgres.thaw()
            assert {answer.status_code for answer in answers} == {503}
            assert all(answer.headers["retry-after"].isdecimal() for answer in answers)
            asked_for += len(answers)
    assert max(took) < STOP_LIMIT
    figures.publish(
        f"stopping-silent-{workers}",
        f"gone {max(took):.1f} s after SIGTERM at most; {asked_for} requests under way, all told 503",
    )


def signed_in(deployment: Deployment, http: httpx.AsyncClient, ledger: Ledger) -> list[Phone]:
    kinds = (ElixirPhone, JunctionPhone)
    return [kinds[number % 2](f"phone-{number}", deployment, http, ledger) for number in range(PHONES)]


async def test_a_rolling_restart_of_two_servers_behind_a_proxy_fails_no_request(
    live_database_url: str, database_name: str, tmp_path: Path
) -> None:
    front, ports = free_port(), [free_port(), free_port()]
    settings = fleet.settings_for(live_database_url, front, trusted_proxies="127.0.0.1")
    deployment = await fleet.deploy(settings)
    took: list[float] = []
    async with AsyncExitStack() as stack:
        rooms = [tmp_path / str(port) for port in ports]
        for room in rooms:
            room.mkdir()
        servers: list[AsyncExitStack] = []
        running: list[Running] = []

        async def start(number: int) -> None:
            own = await stack.enter_async_context(AsyncExitStack())
            server = await own.enter_async_context(
                fleet.serve(rooms[number], ports[number], settings, workers=1 + number)
            )
            servers[number:], running[number:] = [own, *servers[number + 1 :]], [server, *running[number + 1 :]]

        for number in range(2):
            await start(number)
        errors = stack.enter_context(nginx(tmp_path, front, ports))
        async with crowd(deployment, think=0.02) as people:
            for _ in range(ROUNDS):
                for number in range(2):
                    await good_answer_after(people, time.monotonic() + 1, 30)
                    took.append(await stopped(running[number]))
                    await start(number)
                    await until_ready(ports[number])
    ledger = people.ledger
    unheard = {what: many for what, many in ledger.answers.items() if what.split()[-1] not in ("200", "400", "401")}
    assert not unheard, (unheard, errors.read_text()[-2000:])
    assert max(took) < STOP_LIMIT
    figures.publish(
        f"rolling-{database_name}",
        f"{2 * ROUNDS} restarts behind nginx: {ledger.count('200')} acknowledged answers, 0 failures of any kind, slowest "
        f"answer {ledger.slowest:.1f} s; each server gone {max(took):.1f} s after SIGTERM at most",
    )


async def until_ready(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http, asyncio.timeout(60):
        while (await http.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.05)

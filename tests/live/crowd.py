"""Many phones at once, and the settling of accounts when they are done."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

import fleet
from commands import Running
from ledger import Ledger
from phones import Deployment, ElixirPhone, JunctionPhone, Phone
from postgres import free_port

ANSWER_LIMIT = 30.0
"""Seconds in which any answer must come (docs/clients.md, rule 4)."""
ANSWERED_WITHIN = 20.0
"""Seconds until the slowest answer of a server whose database is in trouble."""
SETTLING_LIMIT = 90.0
"""Seconds in which what is under way must come to an end once the server is well."""


class Crowd:
    """*many* phones, half of each dialect. Each refreshes and uses its token, again and again; some sign out or are
    revoked, and sign in anew.
    """

    def __init__(self, deployment: Deployment, http: httpx.AsyncClient, many: int, seed: int, think: float) -> None:
        self.ledger = Ledger()
        self._random = random.Random(seed)
        self._think = think
        self._stopping = False
        self._make = lambda name, number: (ElixirPhone, JunctionPhone)[number % 2](name, deployment, http, self.ledger)
        self.phones: list[Phone] = [self._make(f"phone-{seed}-{number}", number) for number in range(many)]

    async def live(self, phone: Phone) -> None:
        """One phone's life, until told to stop; it ends between two calls, never within one."""
        while not self._stopping:
            await phone.refresh()
            await phone.use()
            fate = self._random.random()
            if fate < 0.06:
                await (phone.sign_out() if fate < 0.03 else phone.be_revoked())
                await phone.sign_in()
            elif fate < 0.12 and self.ledger.ended:
                await phone.present_dead(self._random.choice(self.ledger.ended))
            await asyncio.sleep(self._random.uniform(0, 2 * self._think))

    async def welcome(self, many: int) -> list[Phone]:
        """*many* more phones, signed in and refreshed once, that do nothing by themselves."""
        idle = [self._make(f"idle-{number}", number) for number in range(many)]
        self.phones += idle
        for phone in idle:
            await phone.sign_in()
            await phone.refresh()
        return idle

    async def settle(self) -> None:
        """Hold the ledger against the server: every session that was acknowledged lives, every one that ended is dead."""
        self._stopping = True
        for phone in self.phones:
            await phone.refresh()
            await phone.use()
        for ended in self.ledger.ended:
            await next(phone for phone in self.phones if phone.surface == ended.surface).present_dead(ended)


@asynccontextmanager
async def crowd(deployment: Deployment, *, many: int = 40, seed: int = 1, think: float = 0.1) -> AsyncIterator[Crowd]:
    """A crowd at work while the block runs; afterwards accounts are settled and the ledger must be without a blot."""
    # The server closes what idles for 5 s: a client that would use it up to then now and then meets it closing.
    limits = httpx.Limits(max_connections=many, max_keepalive_connections=many, keepalive_expiry=3)
    timeout = httpx.Timeout(ANSWER_LIMIT)
    async with httpx.AsyncClient(base_url=deployment.url, limits=limits, timeout=timeout) as http:
        people = Crowd(deployment, http, many, seed, think)
        async with asyncio.timeout(SETTLING_LIMIT):
            await asyncio.gather(*(phone.sign_in() for phone in people.phones))
        lives = [asyncio.create_task(people.live(phone)) for phone in people.phones]
        try:
            yield people
            people._stopping = True
            async with asyncio.timeout(SETTLING_LIMIT):
                await asyncio.gather(*lives)
                await people.settle()
        finally:
            for life in lives:
                life.cancel()
            await asyncio.gather(*lives, return_exceptions=True)
    ledger = people.ledger
    assert not ledger.violations, (
        f"{len(ledger.violations)} violations: {ledger.violations[:5]} of {dict(ledger.answers)}"
    )
    assert ledger.ended, "a crowd in which nobody signed out proves little"


@asynccontextmanager
async def at_work(database_url: str, directory: Path, *, seed: int = 1) -> AsyncIterator[tuple[Crowd, Running]]:
    """A server of two workers and a crowd that keeps it busy. The workers must be the same ones in the end."""
    port = free_port()
    settings = fleet.settings_for(database_url, port)
    deployment = await fleet.deploy(settings)
    async with fleet.serve(directory, port, settings) as server, crowd(deployment, seed=seed) as people:
        before = fleet.workers_of(server)
        yield people, server
        assert fleet.workers_of(server) == before != [], "a worker was restarted"
    assert people.ledger.slowest < ANSWERED_WITHIN
    assert people.ledger.count("dropped") == 0, dict(people.ledger.answers)


async def good_answer_after(people: Crowd, instant: float, limit: float) -> float:
    """Wait for the first good answer after *instant* (monotonic seconds); how long it took. Fails after *limit* seconds."""
    while (took := people.ledger.first_good_after(instant)) == float("inf"):
        assert time.monotonic() < instant + limit, f"no good answer within {limit} s: {dict(people.ledger.answers)}"
        await asyncio.sleep(0.01)
    return took

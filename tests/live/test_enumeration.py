"""Does the time of an answer tell whose address it was? Interleaved samples against a served Gatepass, judged by rank."""

from __future__ import annotations

import json
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import pytest

from figures import publish
from gatepass.core import api_keys, teams, users
from gatepass.core.addresses import Address
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.teams import SignUp
from gatepass.core.unit import Unit
from harness import LOGIN
from postgres import free_port
from served import Served, served

ROUNDS = 1500
"""Requests of each kind."""
ADDRESSES = 50
"""Addresses of each kind, asked in turn."""
BLIND = 0.5
BOUND = 0.05
"""How far from blind a guess by one answer's time may be: five standard errors at this many rounds."""
LISTENED = 300
"""Times that a second caller listens for each kind."""
PROBES = 60
"""Requests by which it listens, one after the other, from the moment of the first caller's answer."""
OF_THE_MOMENT = (b"date:", b"x-request-id:")
"""Headers whose values no two answers share."""
SETTLED = 0.03
"""Seconds of quiet between two, for what the last one left behind."""


def advantage(ones: list[float], others: list[float]) -> float:
    """How far from one half the chance is that one of *ones* took longer than one of *others* (Mann-Whitney's U)."""
    ranked = sorted([(took, 0) for took in ones] + [(took, 1) for took in others])
    ranks = sum(rank for rank, (_, whose) in enumerate(ranked, 1) if whose == 0)
    return abs((ranks - len(ones) * (len(ones) + 1) / 2) / (len(ones) * len(others)) - BLIND)


def visible(ones: list[float], others: list[float]) -> float:
    """By how many ms all of *others* would have had to be slower for the difference to be found."""
    low, high = 0.0, 1000.0
    while high - low > 0.001:
        middle = (low + high) / 2
        found = advantage(ones, [took + middle for took in others]) >= BOUND
        low, high = (low, middle) if found else (middle, high)
    return high


def test_the_statistic_sees_a_leak_of_a_twentieth_and_no_other() -> None:
    chance = random.Random(1)
    times = [[chance.lognormvariate(1.0, 0.1) for _ in range(ROUNDS)] for _ in range(2)]
    assert advantage(*times) < BOUND / 2
    assert advantage(times[0], [took * 1.05 for took in times[1]]) > 2 * BOUND
    assert visible(*times) < 0.1


@dataclass
class Line:
    """One connection that stays open, read without a library in between."""

    port: int
    key: str
    took: dict[str, list[float]] = field(default_factory=dict)
    said: dict[str, set[tuple[bytes, int, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, kind: str, email: str) -> None:
        """E1; its time in ms goes to *kind*, and its status line, headers, size and shape, too."""
        body = json.dumps({"email": email}).encode()
        head = f"POST {LOGIN} HTTP/1.1\r\nhost: x\r\nx-api-key: {self.key}\r\ncontent-length: {len(body)}\r\n\r\n"
        began = time.perf_counter_ns()
        self._socket.sendall(head.encode() + body)
        answer = self._socket.recv(65_536)
        self.took.setdefault(kind, []).append((time.perf_counter_ns() - began) / 1e6)
        while len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
            answer += self._socket.recv(65_536)
        told, _, content = answer.partition(b"\r\n\r\n")
        lines = told.split(b"\r\n")
        names = b" ".join(line.partition(b":")[0] if line.lower().startswith(OF_THE_MOMENT) else line for line in lines)
        self.said.setdefault(kind, set()).add((names, len(content), _shape(content)))

    def probe(self, many: int) -> float:
        """Ask *many* times for nothing; ms until the last answer."""
        began = time.perf_counter_ns()
        for _ in range(many):
            self._socket.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = self._socket.recv(65_536)
            while len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
                answer += self._socket.recv(65_536)
        return (time.perf_counter_ns() - began) / 1e6

    def close(self) -> None:
        self._socket.close()


def _length(answer: bytes) -> int:
    told = [line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(told[0].partition(b":")[2])


def _shape(content: bytes) -> str:
    """The body with every value replaced by its type and length."""

    def shape(value: object) -> object:
        if isinstance(value, dict):
            return {name: shape(inner) for name, inner in value.items()}
        return f"{type(value).__name__} {len(str(value))}"

    return json.dumps(shape(json.loads(content)))


@contextmanager
def sink() -> Iterator[str]:
    """A mail server that takes everything, in a process of its own; its URL."""
    port = free_port()
    command = [sys.executable, "-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Sink", "-l", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"smtp://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def populate(server: Served, sign_up: SignUp) -> str:
    """A team with *sign_up*, its accounts, a third of them suspended; a production key of it."""

    async def make(unit: Unit) -> str:
        team = await teams.create(unit, "Acme")
        await teams.change(unit, team.id, sign_up=sign_up)
        for kind in ("existing", "banned"):
            for number in range(ADDRESSES):
                user, _ = await users.prove_address(unit, team.id, Address.parse(address(kind, number)))
                if kind == "banned":
                    await users.ban(unit, team.id, user.id)
        return (await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.PRODUCTION)).text

    return await server.runtime.transact(make)


def address(kind: str, number: int) -> str:
    """All of one length."""
    return f"{kind[:6]:x<8}{number % ADDRESSES:03d}@example.com"


@pytest.mark.live
@pytest.mark.parametrize("sign_up", [SignUp.OPEN, SignUp.KNOWN, SignUp.CLOSED])
async def test_nothing_about_an_answer_tells_whose_address_it_was(
    live_database_url: str, database_name: str, tmp_path: Path, sign_up: SignUp
) -> None:
    """Where sign-up is open, unknown addresses get a code; else they are refused, by an answer like any other."""
    kinds = ("existing", "banned", "unknown" if sign_up is SignUp.OPEN else "refused")
    chance = random.Random(20_261_126)
    with sink() as smtp_url:
        async with served(live_database_url, tmp_path, smtp_url=smtp_url) as server:
            line = Line(server.port, await populate(server, sign_up))
            asked = [(kind, number) for kind in kinds for number in range(ROUNDS)]
            chance.shuffle(asked)  # as a whole: what one request leaves behind must meet every kind alike
            for kind in kinds * 50:
                line.ask(kind, address(kind, 0))
            line.took.clear()
            for kind, number in asked:
                line.ask(kind, address(kind, number))
            line.close()
    assert len(set(map(frozenset, line.said.values()))) == 1
    assert all(len(said) == 1 for said in line.said.values())
    pairs = [(line.took[one], line.took[other]) for one, other in combinations(kinds, 2)]
    worst, seen = max(advantage(*pair) for pair in pairs), max(visible(*pair) for pair in pairs)
    medians = [statistics.median(line.took[kind]) for kind in kinds]
    publish(
        f"enumeration-{sign_up.value}-{database_name}",
        f"{BLIND + worst:.1%} right by one answer's time, medians {min(medians):.2f} to {max(medians):.2f} ms; "
        f"{seen:.2f} ms more would have been found",
    )
    assert worst < BOUND, (worst, dict(zip(kinds, medians, strict=True)))


@pytest.mark.live
async def test_how_well_a_second_caller_hears_that_a_mail_is_handed_over(
    live_database_url: str, database_name: str, tmp_path: Path
) -> None:
    """Where unknown addresses are refused a mail is handed over for some and thrown away for others, by the process that
    answers everybody. This one is measured, and promises nothing.
    """
    chance = random.Random(20_261_127)
    heard: dict[str, list[float]] = {"existing": [], "refused": []}
    with sink() as smtp_url:
        async with served(live_database_url, tmp_path, smtp_url=smtp_url) as server:
            key = await populate(server, SignUp.KNOWN)
            first, second = Line(server.port, key), Line(server.port, key)
            for number in range(-20, LISTENED):
                for kind in chance.sample(sorted(heard), len(heard)):
                    second.probe(1)
                    first.ask(kind, address(kind, number))
                    took = second.probe(PROBES)
                    if number >= 0:
                        heard[kind].append(took)
                    time.sleep(SETTLED)
            first.close()
            second.close()
    more = statistics.median(heard["existing"]) - statistics.median(heard["refused"])
    publish(
        f"overheard-{database_name}",
        f"{BLIND + advantage(heard['existing'], heard['refused']):.1%} right by {PROBES} requests just after the answer, "
        f"which take {statistics.median(heard['refused']):.1f} ms, and {more:+.1f} ms where a mail is handed over",
    )

"""Metrics: what this process has seen, and what the other processes of one `gatepass serve` have, as Prometheus reads them.

Counting is an addition to a dictionary of this process, so that it costs a request next to nothing. Where several
processes share a directory each writes its numbers there once a second, and whoever is asked adds them up. The numbers
of a process that has ended stay in the sum, for a counter must never fall; one that is killed loses its last second.

No label holds anything that a caller chose: methods and refusals are closed words, routes are templates.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from gatepass import __version__
from gatepass.core.facts import Fact
from gatepass.core.mint import Mint

log = structlog.get_logger("gatepass")

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, upper bounds."""
WRITE_EVERY = 1.0
"""Seconds between two writes to the shared directory."""
NO_ROUTE = "none"
"""The route of calls that none took."""

COUNTERS: dict[str, tuple[str, dict[str, Fact]]] = {
    "gatepass_sessions_opened": (
        "Sessions opened, by the proof that opened them.",
        {
            "otp": Fact.SIGN_IN_BY_CODE,
            "qr": Fact.SIGN_IN_BY_QR,
            "reikey": Fact.SIGN_IN_BY_REIKEY,
            "sign_in_token": Fact.SIGN_IN_BY_TOKEN,
        },
    ),
    "gatepass_rotations": ("Refresh tokens answered with a successor, recoveries among them.", {"": Fact.REFRESH}),
    "gatepass_recoveries": ("Successors handed out again after a lost answer.", {"": Fact.RECOVERY}),
    "gatepass_reuse": ("Sessions ended because a spent refresh token came back.", {"": Fact.REUSE}),
    "gatepass_codes_sent": ("E-mail codes asked for and queued.", {"": Fact.CODE_SENT}),
    "gatepass_codes_delivered": ("E-mail codes that the mail server took.", {"": Fact.CODE_DELIVERED}),
    "gatepass_codes_rejected": ("E-mail codes that the mail server refused for good.", {"": Fact.CODE_REJECTED}),
    "gatepass_codes_verified": ("E-mail codes that signed someone in.", {"": Fact.CODE_VERIFIED}),
    "gatepass_codes_refused": ("Wrong, spent or late e-mail codes.", {"": Fact.CODE_REFUSED}),
}
"""What is counted of the domain, by the value of the label `proof` where there are several."""

Key = tuple[str, str, int]
"""Method, route template, status."""


@dataclass
class Seen:
    """What one process has seen since it started, or several together. A *request*'s row: its buckets, then seconds."""

    facts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    requests: dict[Key, list[float]] = field(default_factory=dict)

    def add(self, other: Seen) -> None:
        self.facts.update(other.facts)
        self.refusals.update(other.refusals)
        for key, row in other.requests.items():
            mine = self.requests.setdefault(key, [0.0] * (len(BUCKETS) + 2))
            for place, number in enumerate(row):
                mine[place] += number

    def dump(self) -> str:
        return json.dumps(
            {
                "facts": self.facts,
                "refusals": self.refusals,
                "requests": [[*key, row] for key, row in self.requests.items()],
            }
        )

    @classmethod
    def load(cls, text: str) -> Seen:
        """Raises ValueError, LookupError, TypeError for what is not whole."""
        told = json.loads(text)
        requests = {(method, route, status): row for method, route, status, row in told["requests"]}
        return cls(Counter(told["facts"]), Counter(told["refusals"]), requests)


class Metrics:
    """The numbers of this process. *facts* tells how often each happened in it; *directory* is shared with others."""

    def __init__(self, facts: Callable[[], Counter[Fact]], directory: Path | None = None) -> None:
        self._facts = facts
        self._directory = directory
        self._file = None if directory is None else directory / f"{os.getpid()}-{Mint().bytes(4).hex()}.json"
        self._refusals: Counter[str] = Counter()
        self._requests: dict[Key, list[float]] = {}
        self._written = ""
        self._fails = False

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request was answered; *status* 0 where its caller hung up before. On every request's way: keep it short."""
        key = (method, route or NO_ROUTE, status)
        row = self._requests.get(key)
        if row is None:
            row = self._requests[key] = [0.0] * (len(BUCKETS) + 2)
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds

    def refused(self, refusal: type) -> None:
        """A request was refused with that kind of refusal."""
        self._refusals[reason_of(refusal)] += 1

    def own(self) -> Seen:
        """What this process has seen."""
        facts = Counter({fact.value: times for fact, times in self._facts().items()})
        return Seen(facts, Counter(self._refusals), {key: list(row) for key, row in self._requests.items()})

    def everyone(self) -> tuple[Seen, int]:
        """What all processes that share the directory have seen, and how many of them are alive.

        What is told here is written first: no kill takes back what a scraper has heard.
        """
        self.write()
        total, alive = self.own(), 1
        for path in self._others():
            try:
                total.add(Seen.load(path.read_text()))
            except (OSError, ValueError, LookupError, TypeError):
                continue  # it went, or is somebody else's
            alive += _is_alive(path.stem.partition("-")[0])
        return total, alive

    def _others(self) -> Iterable[Path]:
        if self._directory is None:
            return ()
        return sorted(path for path in self._directory.glob("*.json") if path != self._file)

    def write(self) -> None:
        """Tell the others. Never fails: a directory that is away costs the sum, not the server."""
        if self._file is None or (told := self.own().dump()) == self._written:
            return
        beside = self._file.with_suffix(".new")
        try:
            beside.write_text(told)
            beside.replace(self._file)
            self._written = told
            self._fails = False
        except OSError as error:
            if not self._fails:
                log.warning("metrics_not_shared", why=type(error).__name__)
            self._fails = True

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Tell the others in the background until the block ends, and once more then."""
        if self._file is None:
            yield
            return
        task = asyncio.create_task(self._write_forever(), name="gatepass-metrics")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.write()

    async def _write_forever(self) -> None:
        while True:
            self.write()
            await asyncio.sleep(WRITE_EVERY)


@lru_cache(maxsize=256)
def reason_of(refusal: type) -> str:
    """`CodeWrong` as `code_wrong`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", refusal.__name__).lower()


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def exposition(seen: Seen, *, processes: int, outbox_age: float | None, accept: str) -> tuple[bytes, str]:
    """*seen* as Prometheus reads it, and the content type, by the scraper's *accept*. *outbox_age* in seconds, None
    where the database does not say.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    class Now:
        def collect(self) -> Iterator[Any]:
            yield from _families(seen, processes, outbox_age)

    registry = CollectorRegistry()
    registry.register(Now())
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _families(seen: Seen, processes: int, outbox_age: float | None) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    for name, (about, facts) in COUNTERS.items():
        counter = CounterMetricFamily(name, about, labels=["proof"] if "" not in facts else [])
        for label, fact in facts.items():
            counter.add_metric([label] if label else [], seen.facts[fact.value])
        yield counter
    refusals = CounterMetricFamily("gatepass_refusals", "Requests refused, by reason.", labels=["reason"])
    for reason, times in sorted(seen.refusals.items()):
        refusals.add_metric([reason], times)
    yield refusals
    latency = HistogramMetricFamily(
        "gatepass_request_duration_seconds",
        "Seconds from a request's head to the end of its answer, by route template; status 0: the caller hung up.",
        labels=["method", "route", "status"],
    )
    for (method, route, status), row in sorted(seen.requests.items()):
        latency.add_metric([method, route, str(status)], _cumulative(row), row[-1])
    yield latency
    if outbox_age is not None:
        yield GaugeMetricFamily("gatepass_outbox_age_seconds", "How long the oldest mail has waited.", outbox_age)
    yield GaugeMetricFamily("gatepass_processes", "Processes that these numbers are of and that live.", processes)
    build = GaugeMetricFamily("gatepass_build_info", "Which build this is.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build


def _cumulative(row: list[float]) -> list[tuple[str, float]]:
    """The buckets as Prometheus wants them: each holds all that is below."""
    total, buckets = 0.0, []
    for bound, count in zip([*map(str, BUCKETS), "+Inf"], row[:-1], strict=True):
        total += count
        buckets.append((bound, total))
    return buckets

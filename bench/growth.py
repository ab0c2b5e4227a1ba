"""Refreshing as the tables grow: rotations/s by sessions stored, the size of a rotated table, a purge beside the load.

    python bench/growth.py                            up to a million sessions, some minutes
    python bench/growth.py --most 10000000            the whole way; about 6 GB of disk
    python bench/growth.py --write-docs               and put the results into docs/performance.md

Rows are copies of one session that the core opened, made inside PostgreSQL. What is loaded is `gatepass serve`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import md5
from pathlib import Path
from uuid import UUID

import machine
import report
from contestants import gatepass, seeds
from contestants.seeds import Settings, Surface
from load import Sample, Target, fire
from machine import Cluster, durable_cluster, free_port, sql
from sqlalchemy import Table

from gatepass.adapters.worker import Worker
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.sessions import sessions
from gatepass.core.users import users

CONNECTIONS = 16
MADE = "growth"
"""What the md5 of a made id begins from, together with its number."""
POOL = 20_000
"""Live tokens at most, spread evenly."""
IN_MEMORY = ("sessions", "pk_sessions", "users", "pk_users")
"""What a refresh reads."""
WARMUP = 2
"""Seconds of load that do not count."""
SHARE = 500_000
"""Rows made in one statement."""


@dataclass
class Site:
    """A migrated database of its own, and how to serve and fill it."""

    cluster: Cluster
    name: str
    room: Path
    port: int
    given: dict[str, str]
    settings: Settings
    first: UUID | None = None

    @classmethod
    def make(cls, cluster: Cluster, name: str, room: Path) -> Site:
        port = free_port()
        given = {
            "SECRET_KEY": gatepass.SECRET,
            "DATABASE_URL": cluster.create_database(name),
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "SMTP_URL": gatepass.DISCARD,
        }
        settings = Settings(_env_file=None, **{key.lower(): value for key, value in given.items()})
        return cls(cluster, name, room / name, port, given, settings)

    async def seed(self) -> str:
        """Migrate and open the first session; the publishable key."""
        seeded = await seeds.seed(self.settings)
        try:
            (grant,) = await seeds.signed_in(seeded, 1, Surface.ELIXIR)
            self.first = grant.session_id
            return seeded.development_key
        finally:
            await seeded.runtime.close()

    def fill(self, start: int, end: int, **changed: int) -> None:
        """Make sessions number *start* up to *end*, each with a user, as time-ordered ids. *changed* sets columns."""
        for first in range(start, end, SHARE):
            sql(self.cluster, _copies(self.first, first, min(first + SHARE, end), changed), self.name)

    def settle(self) -> None:
        sql(self.cluster, "VACUUM (ANALYZE) sessions", self.name)
        sql(self.cluster, "VACUUM (ANALYZE) users", self.name)
        sql(self.cluster, "CHECKPOINT", self.name)

    def read_into_memory(self) -> None:
        sql(self.cluster, "CREATE EXTENSION IF NOT EXISTS pg_prewarm", self.name)
        for relation in IN_MEMORY:
            sql(self.cluster, f"SELECT pg_prewarm(c.oid) FROM pg_class AS c WHERE relname = '{relation}'", self.name)

    def size(self) -> tuple[int, int]:
        """Bytes of the sessions' table and of its indexes."""
        table, indexes = sql(
            self.cluster, "SELECT pg_table_size('sessions'), pg_indexes_size('sessions')", self.name
        ).split("|")
        return int(table), int(indexes)

    @contextmanager
    def served(self) -> Iterator[str]:
        """`gatepass serve` on this database; its URL."""
        process = gatepass.serve(self.room, self.port, self.given)
        try:
            process.wait_until("/readyz")
            yield process.url
        finally:
            process.stop()

    def pool(self, numbers: range, name: str) -> Path:
        """Refresh tokens of the made sessions with these *numbers*, as a file."""
        self.room.mkdir(parents=True, exist_ok=True)
        path, secret = self.room / name, self.settings.secret()
        path.write_text("".join(f"{RefreshToken(session_id(n), 0).hex(secret)}\n" for n in numbers))
        return path


def session_id(number: int) -> UUID:
    """The id of a made session: ordered by number as UUIDv7 are by time, the rest of it from a digest."""
    digest = md5(f"{MADE}{number}".encode(), usedforsecurity=False).hexdigest()
    return UUID(f"{number:012x}7{digest[:3]}8{digest[4:19]}")


def _copies(first: UUID | None, start: int, end: int, changed: Mapping[str, int]) -> str:
    """SQL for what `session_id` says, on copies of the session *first* and its user."""
    digest = f"md5('{MADE}' || n)"
    made_id = f"(lpad(to_hex(n), 12, '0') || '7' || substr({digest}, 1, 3) || '8' || substr({digest}, 5, 15))::uuid"
    address = "m.user_id || '@example.com'"
    return f"""
        SET synchronous_commit = off;
        CREATE TEMP TABLE made AS SELECT {made_id} AS id, md5('user' || n)::uuid AS user_id
          FROM generate_series({start}, {end - 1}) AS n;
        CREATE TEMP TABLE s AS SELECT * FROM sessions WHERE id = '{first}';
        CREATE TEMP TABLE u AS SELECT * FROM users WHERE id = (SELECT user_id FROM s);
        {_copy(users, "u", {"id": "m.user_id", "email": address, "email_identity": address})};
        {_copy(sessions, "s", {"id": "m.id", "user_id": "m.user_id", **changed})};
    """


def _copy(table: Table, one: str, changed: Mapping[str, object]) -> str:
    """An INSERT into *table* of the row *one* for each of the made, some columns *changed*."""
    columns = {column.name: changed.get(column.name, f"{one}.{column.name}") for column in table.c}
    values = ", ".join(map(str, columns.values()))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} FROM made AS m CROSS JOIN {one}"


def rotations_by_size(
    cluster: Cluster, room: Path, most: int, rounds: int, seconds: int, *, wait: bool = False
) -> list[str]:
    """A table: rotations/s and p99 at 10^3, 10^4 ... *most* sessions, each a database of its own, visited in turn.

    Tokens are spread over all of a database's sessions, as phones are, so that at a million each is on a page of its own.
    All is read into memory first, and every token used once: it is growth that is measured, and not the disk, nor the
    whole pages that PostgreSQL logs at the first touch after a checkpoint. *wait* for a line on stdin before the load.
    """
    samples: dict[int, list[Sample]] = {}
    with ExitStack() as stack:
        loads: dict[int, Callable[[int], Sample]] = {}
        sites: dict[int, Site] = {}
        size = 1_000
        while size <= most:
            site = Site.make(cluster, f"sessions_{size}", room)
            key = asyncio.run(site.seed())
            site.fill(0, size)
            site.settle()
            pool = site.pool(range(0, size, max(1, size // POOL)), "pool")
            sites[size] = site
            loads[size] = partial(_refresh, stack.enter_context(site.served()), key, pool)
            print(f"{size:,} sessions are there", file=sys.stderr, flush=True)
            size *= 10
        if wait:
            print("filled; a line on stdin starts the load", file=sys.stderr, flush=True)
            sys.stdin.readline()
        for size, load in loads.items():
            sites[size].read_into_memory()
            used = 0
            while used < min(size, POOL):
                used += load(WARMUP).answered
        for _ in range(rounds):
            for size, load in loads.items():
                load(WARMUP)
                samples.setdefault(size, []).append(load(seconds))
    out = ["| sessions | rotations/s | of the first | p50 ms | p99 ms | errors |", "|--:|--:|--:|--:|--:|--:|"]
    rates = {size: [one.answered / one.seconds for one in visits] for size, visits in samples.items()}
    for size, visits in samples.items():
        ratio = statistics.median(rate / first for rate, first in zip(rates[size], rates[1_000], strict=True))
        p50, p99 = (statistics.median(getattr(one, name) for one in visits) for name in ("p50_ms", "p99_ms"))
        failed = sum(one.failed for one in visits)
        out.append(
            f"| {size:,} | {statistics.median(rates[size]):.0f} | {ratio:.2f} | {p50:.2f} | {p99:.2f} | {failed} |"
        )
    return out


def size_after_rotations(cluster: Cluster, room: Path, sessions: int, rotations: int) -> list[str]:
    """A table: bytes of the sessions before and after *rotations* of each, through the server."""
    site = Site.make(cluster, "rotated", room)
    key = asyncio.run(site.seed())
    site.fill(0, sessions)
    site.settle()
    before = site.size()
    pool, answered, rate, began = site.pool(range(sessions), "pool"), 0, 0.0, time.monotonic()
    with site.served() as url:
        while answered < sessions * rotations:
            left = sessions * rotations - answered
            sample = _refresh(url, key, pool, min(10, max(1, int(left / rate))) if rate else WARMUP)
            answered, rate = answered + sample.answered, sample.answered / sample.seconds
            if not sample.answered:
                raise SystemExit(f"rotating came to a stop: {sample}")
    after = site.size()
    return [
        f"{sessions:,} sessions, {answered / sessions:.1f} rotations of each in {time.monotonic() - began:.0f} s, "
        f"autovacuum at its defaults; {_hot(site)} of the updates were HOT.",
        "",
        "| | table MiB | indexes MiB | together, of the start |",
        "|---|--:|--:|--:|",
        f"| before | {before[0] / report.MIB:.1f} | {before[1] / report.MIB:.1f} | 1.00 |",
        f"| after | {after[0] / report.MIB:.1f} | {after[1] / report.MIB:.1f} | {sum(after) / sum(before):.2f} |",
    ]


def _hot(site: Site) -> str:
    """The share of updates that touched no index, once the statistics have arrived."""
    time.sleep(2)
    counted = sql(
        site.cluster, "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'sessions'", site.name
    )
    hot, all_of_them = map(int, counted.split("|"))
    return f"{hot / max(all_of_them, 1):.1%}"


def purging_under_load(cluster: Cluster, room: Path, dead: int, seconds: int) -> list[str]:
    """A table: latency of refreshes without and with a worker that purges *dead* expired sessions meanwhile."""
    site = Site.make(cluster, "purged", room)
    key = asyncio.run(site.seed())
    site.fill(0, dead, idle_expires_at=1, opened_at=1)
    site.fill(dead, dead + 5_000)
    site.settle()
    pool = site.pool(range(dead, dead + 5_000), "pool")
    out = ["| | rotations/s | p50 ms | p99 ms | rows purged meanwhile |", "|---|--:|--:|--:|--:|"]
    p99 = {}
    with site.served() as url:
        _refresh(url, key, pool, WARMUP)
        for name, work in (("quiet", None), ("purging", _sweep_for(seconds))):
            sample, purged = asyncio.run(_load_beside(work, site, lambda: _refresh(url, key, pool, seconds)))
            p99[name] = sample.p99_ms
            rate = sample.answered / sample.seconds
            out.append(f"| {name} | {rate:.0f} | {sample.p50_ms:.2f} | {sample.p99_ms:.2f} | {purged:,} |")
    return [*out, "", f"Purging multiplies the p99 by {p99['purging'] / p99['quiet']:.2f}."]


Beside = Callable[[seeds.Runtime], Awaitable[int]]


def _sweep_for(seconds: float) -> Beside:
    """The server's own worker, from another process, purging again and again for *seconds*; how many rows went."""

    async def sweep(runtime: seeds.Runtime) -> int:
        worker = Worker(runtime.transact, None, runtime.outbox_waits)  # type: ignore[arg-type]  # it delivers nothing
        end, gone = time.monotonic() + seconds, 0
        while time.monotonic() < end and (purged := await worker.sweep()):
            gone += purged
        return gone

    return sweep


async def _load_beside(beside: Beside | None, site: Site, load: Callable[[], Sample]) -> tuple[Sample, int]:
    runtime = seeds.Runtime(site.settings)
    try:
        loading = asyncio.create_task(asyncio.to_thread(load))
        gone = await beside(runtime) if beside is not None else 0
        return await loading, gone
    finally:
        await runtime.close()


def _refresh(url: str, key: str, pool: Path, seconds: int) -> Sample:
    target = Target(url + gatepass.ELIXIR_REFRESH.path, gatepass.ELIXIR_REFRESH.script, pool, {"KEY": key})
    return fire(target, connections=CONNECTIONS, seconds=seconds)


def main() -> int:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    parts = ("size", "bloat", "purge")
    add("--parts", nargs="+", choices=parts, default=parts, help="what to measure (default: all)")
    add("--most", type=int, default=1_000_000, help="sessions to grow to, from a thousand by tens (default: 1000000)")
    add("--seconds", type=int, default=10, help="seconds of load per figure (default: 10)")
    add("--rounds", type=int, default=3, help="visits of each size, in turn (default: 3)")
    add("--sessions", type=int, default=100_000, help="sessions whose table is rotated and weighed (default: 100000)")
    add("--rotations", type=int, default=20, help="rotations of each of them (default: 20)")
    add("--dead", type=int, default=100_000, help="expired sessions to purge under load (default: 100000)")
    add(
        "--wait",
        action="store_true",
        help="once filled, wait for a line on stdin: for a machine that is busy till then",
    )
    add("--shared-buffers", default="4GB", help="memory that PostgreSQL keeps pages in (default: 4GB)")
    add("--directory", type=Path, help="where the database lives; it should be on a real disk (default: /tmp)")
    add("--write-docs", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    if options.directory:
        tempfile.tempdir = str(options.directory.resolve())
    with durable_cluster() as cluster, tempfile.TemporaryDirectory(prefix="gatepass-bench-") as made:
        room = Path(made)
        sql(cluster, f"ALTER SYSTEM SET shared_buffers = '{options.shared_buffers}'")
        cluster.stop("fast")
        cluster.boot()
        about = machine.describe(room)
        out = [
            f"Measured {about['measured']} at commit `{about['commit']}` on {about['cpu']}, {about['postgresql']}, "
            f"shared_buffers {options.shared_buffers}.",
            "",
        ]
        if "size" in options.parts:
            out += [
                *rotations_by_size(cluster, room, options.most, options.rounds, options.seconds, wait=options.wait),
                "",
            ]
        if "bloat" in options.parts:
            out += [*size_after_rotations(cluster, room, options.sessions, options.rotations), ""]
        if "purge" in options.parts:
            out += [*purging_under_load(cluster, room, options.dead, options.seconds), ""]
    if options.write_docs:
        report.insert(machine.ROOT / "docs" / "performance.md", "growth", "\n".join(out))
    print("\n".join(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())

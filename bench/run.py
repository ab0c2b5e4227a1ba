"""Measure Gatepass beside its yardsticks and its peers: real processes, a durable PostgreSQL, wrk as the load.

    python bench/run.py                               everything of ours, about fifteen minutes
    python bench/run.py --peers                       the peers too
    python bench/run.py --modes refresh --rounds 1 --seconds 3
    python bench/run.py --peers --write-docs          and put the results into docs/performance.md
    python bench/run.py --modes jwks --onto bench/results/2026-11-26T1900.json      in pieces

Contestants of a mode are visited in turn, A B C, A B C, so that whatever else the machine does hits all of them.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import machine
import report
from contestants import limit
from contestants.stage import Lane, Stage
from load import fire
from machine import Cluster, Failed, durable_cluster
from modes import MODES, Mode
from report import Visit

BETWEEN = 1.0
"""Seconds of rest between two visits."""


def main() -> int:
    """Run what was asked for and write it down; 1 where a contestant failed or gave a wrong answer."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stopped from outside: still stop what was started
    options = _options()
    if options.directory:
        tempfile.tempdir = str(options.directory.resolve())
    modes = [mode for mode in MODES if mode.name in options.modes]
    visits: list[Visit] = []
    failures: dict[str, str] = {}
    with durable_cluster() as cluster, tempfile.TemporaryDirectory(prefix="gatepass-bench-") as made:
        directory = Path(made)
        if options.pin_database:
            machine.pin(machine.postmaster(cluster), options.pin_database)
        about = {**machine.describe(directory), "settings": _settings_line(options)}
        _note(f"{about['cpu']}, {about['memory']}, {about['filesystem']}; {about['settings']}")
        for mode in modes:
            _note(f"\n{mode.title}")
            visits += _measure(mode, cluster, directory / mode.name, options, failures)
    result = report.Result(about, visits, failures)
    if options.onto:
        result = result.onto(report.Result.read(options.onto))
    for path in result.write(options.output):
        _note(f"wrote {path}")
    if options.write_docs:
        result.write_docs(machine.ROOT / "docs")
    print(result.markdown())
    return 1 if failures or any(visit.failed for visit in visits) else 0


def _measure(
    mode: Mode, cluster: Cluster, directory: Path, options: argparse.Namespace, failures: dict[str, str]
) -> Iterator[Visit]:
    """Every visit of one mode. Whoever fails to start is left out, and named in *failures*."""
    per_visit = max(options.seconds, 1) + options.warmup
    spendable = options.spend_rate * per_visit * options.rounds * len(options.connections)
    directory.mkdir(parents=True)
    stage = Stage(directory, cluster, options.pool, spendable, options.workers, options.pin_server)
    with ExitStack() as stack:
        lanes: dict[str, Lane] = {}
        for contestant in mode.contestants:
            if contestant.peer and not options.peers:
                continue
            if options.only and contestant.name not in options.only and contestant.name != mode.yardstick:
                continue
            try:
                lanes[contestant.name] = stack.enter_context(contestant.prepare(stage))
            except Failed as failure:
                failures[f"{mode.name}: {contestant.name}"] = str(failure)
                _note(f"  {contestant.name} is left out: {failure}")
        if mode.name == "mint":
            yield from limit.visits(mode.name, options.rounds, options.connections)
        for connections in options.connections:
            for number in range(1, options.rounds + 1):
                for name, lane in lanes.items():
                    yield (visit := _visit(mode, name, lane, cluster, connections, number, options))
                    _note(f"  {visit}")


def _visit(
    mode: Mode, name: str, lane: Lane, cluster: Cluster, connections: int, number: int, options: argparse.Namespace
) -> Visit:
    """Warm up, then load one contestant and read what it cost."""
    if lane.starts_empty:
        lane.target.pool.write_text("")
    time.sleep(BETWEEN)
    if options.warmup:
        fire(lane.target, connections=connections, seconds=options.warmup, cores=options.pin_load)
    database = machine.postmaster(cluster)
    app_before, database_before = lane.process.usage(), machine.usage(database)
    sample = fire(
        lane.target, connections=connections, seconds=options.seconds, threads=options.threads, cores=options.pin_load
    )
    notes = lane.notes()
    app, served_by = lane.process.usage(), machine.usage(database)
    each = max(sample.answered, 1) / 1_000_000
    return Visit(
        mode=mode.name,
        contestant=name,
        connections=connections,
        round=number,
        rate=sample.answered / sample.seconds,
        app_us=(app.cpu - app_before.cpu) / each,
        database_us=(served_by.cpu - database_before.cpu) / each if lane.uses_database else None,
        resident_before=app_before.resident,
        resident_after=app.resident,
        notes=notes,
        **asdict(sample),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    names = [mode.name for mode in MODES]
    add("--modes", nargs="+", choices=names, default=names, help="what to measure (default: all)")
    add("--only", nargs="+", metavar="NAME", help="of each mode, only these contestants and the yardstick")
    add("--peers", action="store_true", help="also the peers, installed from npm and PyPI into the temporary directory")
    add("--rounds", type=int, default=3, help="how often each contestant is visited (default: 3)")
    add("--seconds", type=int, default=8, help="how long a visit measures (default: 8)")
    add("--warmup", type=int, default=2, help="seconds of load before that, not counted (default: 2)")
    add("--connections", type=int, nargs="+", default=[16, 1], help="parallel callers (default: 16 and 1)")
    add("--threads", type=int, default=1, help="of the load generator (default: 1)")
    add("--workers", type=int, default=1, help="processes of gatepass serve (default: 1)")
    add("--pool", type=int, default=2_000, help="live tokens per contestant (default: 2000)")
    add("--spend-rate", type=int, default=1_500, help="sign-in tokens made per second of exchanging (default: 1500)")
    add("--pin", metavar="SERVER:DATABASE:LOAD", help="cores of each, as taskset writes them; for instance 0:1:1")
    add("--directory", type=Path, help="where the databases live; it should be on a real disk (default: /tmp)")
    add("--onto", type=Path, metavar="JSON", help="an earlier result, whose other modes go into the same tables")
    add("--output", type=Path, default=machine.ROOT / "bench" / "results", help="where JSON, table and plot go")
    add("--write-docs", action="store_true", help="put table and plot into docs/performance.md")
    options = parser.parse_args()
    pinned = (options.pin or "::").split(":")
    if len(pinned) != 3:
        parser.error("--pin takes three sets of cores, like 0:1:1")
    options.pin_server, options.pin_database, options.pin_load = (cores or None for cores in pinned)
    return options


def _settings_line(options: argparse.Namespace) -> str:
    pinned = f", pinned {options.pin}" if options.pin else ""
    return (
        f"{options.rounds} rounds of {options.seconds} s after {options.warmup} s of warm-up, "
        f"{options.pool} live tokens, {options.workers} server process(es){pinned}"
    )


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""What Gatepass weighs: time until ready, memory after many refreshes, time of `gatepass --help`.

python bench/weight.py                            100 000 refreshes, on PostgreSQL and on SQLite
python bench/weight.py --refreshes 5000
python bench/weight.py --write-docs               and put the table into docs/performance.md
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import report
from contestants import gatepass, seeds
from contestants.seeds import Settings, Surface
from load import Target, fire
from machine import durable_cluster, free_port

STRETCH = 5
"""Seconds of load between two looks at how far it got."""
SESSIONS = 2_000


def weigh(kind: str, database_url: str, room: Path, refreshes: int) -> str:
    """One row: the server on *database_url* started, loaded and read."""
    port = free_port()
    given = {
        "SECRET_KEY": gatepass.SECRET,
        "DATABASE_URL": database_url,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SMTP_URL": gatepass.DISCARD,
    }
    settings = Settings(_env_file=None, **{key.lower(): value for key, value in given.items()})
    key, tokens = asyncio.run(_seed(settings))
    pool = room / f"pool-{kind}"
    pool.write_text("".join(f"{token}\n" for token in tokens))
    ready = []
    for _ in range(2):  # the first start of a fresh checkout also compiles
        process = gatepass.serve(room, port, given)
        ready.append(process.wait_until("/readyz"))
        process.stop()
    process = gatepass.serve(room, port, given)
    ready.append(process.wait_until("/readyz"))
    try:
        idle = process.usage().resident
        target = Target(process.url + gatepass.ELIXIR_REFRESH.path, gatepass.ELIXIR_REFRESH.script, pool, {"KEY": key})
        warm, answered = 0, 0
        while answered < refreshes:
            sample = fire(target, connections=16, seconds=STRETCH)
            answered += sample.answered
            warm = warm or process.usage().resident
            if sample.failed or not sample.answered:
                raise SystemExit(f"refreshing went wrong: {sample}")
        after = process.usage().resident
    finally:
        process.stop()
    sizes = " | ".join(f"{size / report.MIB:.1f}" for size in (idle, warm, after, after - warm))
    return f"| {kind} | {statistics.median(ready):.2f} | {answered:,} | {sizes} |"


async def _seed(settings: Settings) -> tuple[str, list[str]]:
    seeded = await seeds.seed(settings)
    try:
        grants = await seeds.signed_in(seeded, SESSIONS, Surface.ELIXIR)
        return seeded.development_key, [seeded.refresh_token(grant) for grant in grants]
    finally:
        await seeded.runtime.close()


def help_takes() -> float:
    """Seconds of `gatepass --help`, the middle of five."""
    taken = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run([gatepass.COMMAND, "--help"], stdout=subprocess.DEVNULL, check=True)
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


def main() -> int:
    """Weigh, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refreshes", type=int, default=100_000, help="before memory is read (default: 100000)")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    with durable_cluster() as cluster, tempfile.TemporaryDirectory(prefix="gatepass-bench-") as made:
        room = Path(made)
        about = machine.describe(room)
        out = [
            f"Measured {about['measured']} at commit `{about['commit']}` on {about['cpu']}, Python {about['python']}. "
            f"`gatepass --help` takes {help_takes():.2f} s.",
            "",
            "| one process on | ready after s | refreshes | MiB at rest | after the first seconds | at the end | growth |",
            "|---|--:|--:|--:|--:|--:|--:|",
            weigh("PostgreSQL", cluster.create_database("weight"), room, options.refreshes),
            weigh("SQLite", f"sqlite:///{room / 'gatepass.db'}", room, options.refreshes),
        ]
    if options.write_docs:
        report.insert(machine.ROOT / "docs" / "performance.md", "weight", "\n".join(out))
    print("\n".join(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())

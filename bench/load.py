"""wrk as the load generator: one call is one measurement, told as a Sample."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from machine import Failed

SCRIPTS = Path(__file__).resolve().parent / "wrk"


@dataclass
class Target:
    """Where and with what to shoot: a Lua script, its pool of items (one a line), and what else the script is told."""

    url: str
    script: str
    pool: Path
    given: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """What wrk saw. *failed* counts answers without a successor, and socket errors."""

    answered: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float
    complaint: str


def fire(target: Target, *, connections: int, seconds: int, threads: int = 1, cores: str | None = None) -> Sample:
    """Load *target* for *seconds* with *connections* that each wait for their answer. Raises Failed."""
    if shutil.which("wrk") is None:
        raise Failed("wrk is missing: apt-get install -y wrk")
    threads = min(threads, connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    ran = subprocess.run(
        [*(["taskset", "-c", cores] if cores else []), *command, "-s", f"{target.script}.lua", target.url],
        cwd=SCRIPTS,
        env={
            **os.environ,
            **target.given,
            "POOL": str(target.pool),
            "THREADS": str(threads),
            "RUN": f"{time.time_ns():x}",
        },
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    result = [line for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
    if not result:
        raise Failed(f"wrk gave no result: {ran.stdout}{ran.stderr}")
    return Sample(**json.loads(result[0].removeprefix("RESULT ")))

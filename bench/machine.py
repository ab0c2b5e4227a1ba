"""Real processes on this machine: starting and stopping them, and what they cost, read from /proc."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from postgres import Cluster, NoPostgres, free_port  # noqa: E402

__all__ = ["ROOT", "Cluster", "Failed", "Process", "Usage", "describe", "durable_cluster", "free_port", "sql", "usage"]

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
READY_LIMIT = 90.0
"""Seconds until a process must answer."""


class Failed(Exception):
    """A contestant that did not start, or a tool that is missing; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process tree has used: CPU in seconds, its reaped children's included, and resident bytes now."""

    cpu: float
    resident: int


def tree(root: int) -> list[int]:
    """*root* and every process below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [root]
    while left:
        found.append(pid := left.pop())
        left += children.get(pid, [])
    return found


def usage(root: int) -> Usage:
    """What the tree below *root* has used until now."""
    cpu = resident = 0
    for pid in tree(root):
        if fields := _stat(pid):
            cpu += sum(map(int, fields[11:15]))  # utime stime cutime cstime
            resident += int(fields[21])
    return Usage(cpu / TICK, resident * PAGE)


def _stat(pid: int) -> list[str]:
    """The fields behind the name in /proc/PID/stat (proc_pid_stat(5)), state first; empty for one that has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@dataclass
class Process:
    """One server under test."""

    url: str
    popen: subprocess.Popen[bytes]
    log: Path
    started: float

    @classmethod
    def start(
        cls,
        command: Sequence[str | Path],
        *,
        port: int,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        cores: str | None = None,
    ) -> Process:
        """Start *command* in *directory*, its output in a log there, on *cores* (as taskset writes them)."""
        directory.mkdir(parents=True, exist_ok=True)
        log = directory / f"server-{port}.log"
        pinned = ["taskset", "-c", cores] if cores else []
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [*pinned, *map(str, command)],
                cwd=directory,
                env={**clean_environment(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(f"http://127.0.0.1:{port}", popen, log, time.monotonic())

    def wait_until(self, path: str) -> float:
        """Until *path* is answered with 200; how many seconds that took from the start. Raises Failed."""
        while time.monotonic() - self.started < READY_LIMIT and self.popen.poll() is None:
            try:
                with urllib.request.urlopen(self.url + path, timeout=2) as answer:
                    if answer.status == 200:
                        return time.monotonic() - self.started
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.02)
        self.stop()
        raise Failed(f"{self.popen.args} never answered {path}:\n{self.log.read_text(errors='replace')[-3000:]}")

    def wait_for_port(self) -> None:
        """Until it accepts connections. Raises Failed."""
        port = int(self.url.rpartition(":")[2])
        while time.monotonic() - self.started < READY_LIMIT and self.popen.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
                return
            time.sleep(0.02)
        self.stop()
        raise Failed(f"{self.popen.args} never listened:\n{self.log.read_text(errors='replace')[-3000:]}")

    def usage(self) -> Usage:
        return usage(self.popen.pid)

    def stop(self) -> None:
        """Ask it to stop, and kill what is left of its group after a while."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()


def clean_environment() -> dict[str, str]:
    """The environment without any setting of ours, so that a run depends on nothing it does not name."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEPASS_")}


@contextmanager
def durable_cluster() -> Iterator[Cluster]:
    """A PostgreSQL of the run's own in the temporary directory, every durability setting on; removed in the end."""
    try:
        cluster = Cluster.start()
    except NoPostgres:
        raise SystemExit("PostgreSQL is missing: apt-get install -y postgresql") from None
    try:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            if (value := sql(cluster, f"SHOW {setting}")) != "on":
                raise SystemExit(f"{setting} is {value}: figures without durability are worth nothing")
        yield cluster
    finally:
        cluster.remove()


def sql(cluster: Cluster, statement: str, database: str = "postgres") -> str:
    """What psql answers, bare."""
    where = ["-h", "127.0.0.1", "-p", str(cluster.port), "-U", "gatepass", "-d", database]
    command = ["psql", *where, "-v", "ON_ERROR_STOP=1", "-Atc", statement]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def postmaster(cluster: Cluster) -> int:
    """The process above all of a cluster's."""
    return int((cluster.data / "postmaster.pid").read_text().split()[0])


def pin(root: int, cores: str) -> None:
    """Keep a running tree, and what it starts from now on, on *cores*."""
    for pid in tree(root):
        subprocess.run(["taskset", "-apc", cores, str(pid)], check=True, stdout=subprocess.DEVNULL)


def describe(directory: Path) -> dict[str, str]:
    """The machine and the tools, as a reader needs them to judge a figure."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = next((int(line.split()[1]) // 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "cpu": f"{os.cpu_count()} x {cpu}",
        "memory": f"{memory} MiB",
        "kernel": platform.release(),
        "filesystem": _first_line("stat", "-f", "-c", "%T", str(directory)),
        "python": platform.python_version(),
        "postgresql": _first_line(str(shutil.which("psql") or "psql"), "--version"),
        "node": _first_line("node", "--version"),
        "wrk": _first_line("wrk", "-v"),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _first_line(*command: str) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "not installed"
    return (ran.stdout or ran.stderr).partition("\n")[0].partition(" Copyright")[0].strip()

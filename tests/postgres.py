"""A real PostgreSQL for the tests, started from the installed binaries, as root or not.

Each cluster lives in a directory of its own below the system's temporary one, named after the process that owns it. It
goes when that process is done with it; what a killed one left behind goes when the next cluster starts.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

INSTALL = "apt-get install -y postgresql"
PREFIX = "gatepass-postgres"


class NoPostgres(Exception):
    """No server binaries on this machine."""

    def fail_or_skip(self) -> NoReturn:
        """Skip with the install line, or fail where PostgreSQL was promised."""
        message = f"no PostgreSQL server found; install it: {INSTALL}"
        if os.environ.get("GATEPASS_REQUIRE_POSTGRES") == "1":
            pytest.fail(message)
        pytest.skip(message)


def binaries() -> Path:
    """The directory of initdb and postgres. Raises NoPostgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    raise NoPostgres


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: the user to become instead, or None when we are nobody special."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@dataclass
class Cluster:
    """One running server; the settings that make it durable are left on."""

    bin: Path
    data: Path
    port: int
    user: str | None

    @classmethod
    def start(cls) -> Cluster:
        """Make a cluster and start it. Raises NoPostgres."""
        bin_directory, user = binaries(), _unprivileged()
        _sweep(bin_directory, user)
        home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-"))
        if user:
            shutil.chown(home, user)
        cluster = cls(bin_directory, home / "data", free_port(), user)
        cluster._run(
            "initdb", "-D", str(cluster.data), "-U", "gatepass", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"
        )
        cluster.boot()
        return cluster

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.bin / program), *arguments],
            user=self.user,
            group=pwd.getpwnam(self.user).pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def boot(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1 -c max_connections=200"
        self._run("pg_ctl", "-D", str(self.data), "-o", options, "-l", str(self.data / "log"), "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: `fast` says goodbye, `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def freeze(self) -> None:
        """Stop all its processes where they are: nothing is refused and nothing answered, until it thaws."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        """To the first process, which makes the others, and then to those."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(first, number)
        for child in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def remove(self) -> None:
        """Delete the data, the server that still runs on it stopped first."""
        with suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.data.parent, ignore_errors=True)

    def create_database(self, name: str) -> str:
        """An empty database; its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gatepass", name)
        return f"postgresql://gatepass@127.0.0.1:{self.port}/{name}"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running cluster, removed in the end. Without PostgreSQL on this machine the test is skipped, or fails."""
    try:
        started = Cluster.start()
    except NoPostgres as missing:
        missing.fail_or_skip()
    try:
        yield started
    finally:
        started.remove()


def _sweep(bin_directory: Path, user: str | None) -> None:
    """Remove the clusters of processes that are gone."""
    for home in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*-*"):
        try:
            os.kill(int(home.name.split("-")[2]), 0)
        except ProcessLookupError:
            Cluster(bin_directory, home / "data", 0, user).remove()
        except PermissionError:
            continue  # alive, and somebody else's

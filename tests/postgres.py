"""A real PostgreSQL for the tests, started from the installed binaries, as root or not."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

INSTALL = "apt-get install -y postgresql"


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
    def start(cls, directory: Path) -> Cluster:
        """Make a cluster in *directory* and start it. Raises NoPostgres."""
        bin_directory, user = binaries(), _unprivileged()
        data = directory / "data"
        if user:
            shutil.chown(directory, user)
        cluster = cls(bin_directory, data, free_port(), user)
        cluster._run(
            "initdb", "-D", str(data), "-U", "gatepass", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"
        )
        cluster.boot()
        return cluster

    def _run(self, program: str, *arguments: str) -> None:
        if self.user:
            self._let_in()
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

    def _let_in(self) -> None:
        """Open the way to the data for the other user; each time, for every starting pytest closes it again."""
        for parent in self.data.parents:
            if parent == Path("/tmp") or parent == parent.parent:
                break
            parent.chmod(parent.stat().st_mode | 0o711)

    def boot(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1 -c max_connections=200"
        self._run("pg_ctl", "-D", str(self.data), "-o", options, "-l", str(self.data / "log"), "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: `fast` says goodbye, `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def create_database(self, name: str) -> str:
        """An empty database; its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gatepass", name)
        return f"postgresql://gatepass@127.0.0.1:{self.port}/{name}"

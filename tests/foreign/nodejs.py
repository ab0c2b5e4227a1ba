"""Node, and the clients that npm has, installed once into a cache and run from a directory that is thrown away."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from missing import fail_or_skip

HERE = Path(__file__).parent / "node"
INSTALL = "apt-get install -y nodejs npm"
OLDEST = 20
"""The first Node whose Web Crypto is there without a flag."""
INSTALL_LIMIT = 600.0
RUN_LIMIT = 120.0
"""Seconds."""


@dataclass(frozen=True)
class Workshop:
    """A directory with our `*.test.mjs` beside the packages that they import."""

    directory: Path

    def run(self, name: str, **facts: str) -> None:
        """Run the stories in *name*, told *facts* as environment variables. Raises AssertionError with what Node said."""
        environment = {**os.environ, **{key.upper(): value for key, value in facts.items()}}
        done = subprocess.run(
            ["node", "--test", "--test-reporter=spec", name],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "ℹ pass 0\n" not in done.stdout, done.stdout


def workshop_for(config: pytest.Config, directory: Path) -> Workshop:
    """The workshop in *directory*. Skips where Node is missing."""
    if shutil.which("npm") is None or _version() < OLDEST:
        fail_or_skip(f"no Node {OLDEST} with npm found; install it: {INSTALL}")
    assert config.cache is not None
    packages = _installed(config.cache.mkdir("foreign-node"))
    for story in HERE.glob("*.mjs"):
        shutil.copy(story, directory)
    (directory / "node_modules").symlink_to(packages)
    return Workshop(directory)


def _version() -> int:
    """The major version of the Node on the path; 0 without one."""
    if shutil.which("node") is None:
        return 0
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.removeprefix("v").partition(".")[0])


def _installed(cache: Path) -> Path:
    """The `node_modules` of our package.json; another test process that installs it right now is waited for."""
    wanted = (HERE / "package.json").read_bytes() + (HERE / "package-lock.json").read_bytes()
    home = cache / hashlib.sha256(wanted).hexdigest()[:16]
    with _alone(cache / "lock"):
        if not (home / "done").exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, home)
            command = ["npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=INSTALL_LIMIT)
            if done.returncode:
                fail_or_skip(f"npm could not install tests/foreign/node/package.json:\n{done.stderr[-2000:]}")
            (home / "done").touch()
    return home / "node_modules"


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

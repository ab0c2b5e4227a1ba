"""Peers from the public registries, installed on demand with the versions that bench/peers pins."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from machine import ROOT, Failed, Process, free_port

from contestants.stage import Contestant, Lane, Stage, Target

PEERS = ROOT / "bench" / "peers"
INSTALLED = Path(tempfile.gettempdir()) / "gatepass-bench-peers"
"""Where peers are installed, once; thrown away with the rest of the temporary directory."""
CLIENT = "&client_id=bench"
INSTALL_LIMIT = 600
"""Seconds."""


def _node(peer: str) -> Path:
    """The peer's directory, copied out of the repository and installed there. Raises Failed."""
    where = INSTALLED / peer
    shutil.copytree(PEERS / peer, where, dirs_exist_ok=True)
    wanted = (PEERS / peer / "package.json").read_bytes()
    done = where / "installed"
    if not (done.exists() and done.read_bytes() == wanted):
        _run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", cwd=where)
        done.write_bytes(wanted)
    return where


def _python(peer: str) -> Path:
    """The same for a Python peer: its directory, with a virtual environment in `venv`. Raises Failed."""
    where = INSTALLED / peer
    shutil.copytree(PEERS / peer, where, dirs_exist_ok=True)
    wanted = (PEERS / peer / "requirements.txt").read_bytes()
    done = where / "installed"
    if not (done.exists() and done.read_bytes() == wanted):
        _run(sys.executable, "-m", "venv", "venv", cwd=where)
        _run("venv/bin/pip", "install", "--quiet", "-r", "requirements.txt", cwd=where)
        done.write_bytes(wanted)
    return where


def _run(*command: str, cwd: Path, environment: dict[str, str] | None = None) -> str:
    try:
        ran = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=INSTALL_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{command[0]}: {error}") from error
    if ran.returncode:
        raise Failed(f"{' '.join(command)} failed:\n{ran.stdout[-1500:]}{ran.stderr[-1500:]}")
    return ran.stdout


def _oidc_provider(name: str, *, durable: bool) -> Contestant:
    """node-oidc-provider, rotating refresh tokens, JWT access tokens (ES256), a public client."""

    @contextmanager
    def prepare(stage: Stage) -> Iterator[Lane]:
        where, room, port = _node("oidc-provider"), stage.room(name), free_port()
        pool = room / "pool"
        environment = {
            "NODE_ENV": "production",
            "PORT": str(port),
            "POOL": str(pool),
            "COUNT": str(stage.pool),
            **({"DATABASE_URL": stage.database(name)} if durable else {}),
        }
        process = Process.start(
            ["node", where / "server.mjs"], port=port, directory=room, environment=environment, cores=stage.cores
        )
        try:
            process.wait_until("/jwks")
            yield Lane(
                process, Target(process.url + "/token", "form_refresh", pool, {"EXTRA": CLIENT}), uses_database=durable
            )
        finally:
            process.stop()

    return Contestant(name, prepare, peer=True)


@contextmanager
def _better_auth(stage: Stage) -> Iterator[Lane]:
    """better-auth's e-mail OTP sign-in. Its codes are handed out in a header; no mail is sent, in its favour."""
    where, room, port = _node("better-auth"), stage.room("better-auth"), free_port()
    pool = room / "pool"
    pool.touch()
    environment = {"NODE_ENV": "production", "PORT": str(port), "DATABASE_URL": stage.database("better-auth")}
    process = Process.start(
        ["node", where / "server.mjs"], port=port, directory=room, environment=environment, cores=stage.cores
    )
    try:
        process.wait_until("/api/auth/ok")
        yield Lane(process, Target(process.url + "/", "better_auth_otp", pool), starts_empty=True)
    finally:
        process.stop()


@contextmanager
def _allauth(stage: Stage) -> Iterator[Lane]:
    """django-allauth headless: JWT tokens with rotating refresh tokens, Django sessions in PostgreSQL, gunicorn."""
    where, room, port = _python("allauth"), stage.room("allauth"), free_port()
    pool = room / "pool"
    environment = {"DATABASE_URL": stage.database("allauth"), "POOL": str(pool), "COUNT": str(min(stage.pool, 400))}
    python = str(where / "venv" / "bin" / "python")
    for step in ("migrate", "seed"):
        _run(python, "bench_site.py", step, cwd=where, environment={**environment, "PATH": "/usr/bin:/bin"})
    process = Process.start(
        [python, "-m", "gunicorn", "--chdir", where, "-w", "1", "-b", f"127.0.0.1:{port}", "bench_site:application"],
        port=port,
        directory=room,
        environment=environment,
        cores=stage.cores,
    )
    try:
        process.wait_until("/_allauth/app/v1/config")
        yield Lane(process, Target(process.url + "/_allauth/app/v1/tokens/refresh", "json_refresh", pool))
    finally:
        process.stop()


@contextmanager
def _firebase(stage: Stage) -> Iterator[Lane]:
    """The auth emulator of firebase-tools: in memory, its refresh tokens do not rotate."""
    where, room, port = _node("firebase"), stage.room("firebase"), free_port()
    pool = room / "pool"
    config = {
        "emulators": {"auth": {"port": port, "host": "127.0.0.1"}, "ui": {"enabled": False}, "singleProjectMode": False}
    }
    (room / "firebase.json").write_text(json.dumps(config))
    command = [
        where / "node_modules" / ".bin" / "firebase",
        "emulators:start",
        "--only",
        "auth",
        "--project",
        "demo-bench",
    ]
    process = Process.start(command, port=port, directory=room, cores=stage.cores)
    try:
        process.wait_until("/")
        _run("node", str(where / "seed.mjs"), process.url, str(min(stage.pool, 400)), str(pool), cwd=where)
        path = "/securetoken.googleapis.com/v1/token?key=bench"
        yield Lane(process, Target(process.url + path, "form_refresh", pool), uses_database=False)
    finally:
        process.stop()


OIDC_PROVIDER = _oidc_provider("oidc-provider", durable=True)
OIDC_PROVIDER_MEMORY = _oidc_provider("oidc-provider-memory", durable=False)
BETTER_AUTH = Contestant("better-auth", _better_auth, peer=True)
ALLAUTH = Contestant("allauth", _allauth, peer=True)
FIREBASE = Contestant("firebase-emulator", _firebase, peer=True)

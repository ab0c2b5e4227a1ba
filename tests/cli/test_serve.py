"""`gatepass serve`: what it refuses, before it opens a port."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

import commands
from harness import SECRET
from postgres import free_port

GOOD = {"secret_key": SECRET, "smtp_url": "smtp://127.0.0.1:2525", "database_url": "sqlite:///gatepass.db"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({**GOOD, "secret_key": ""}, "GATEPASS_SECRET_KEY is missing"),
        ({**GOOD, "secret_key": "sekret"}, "GATEPASS_SECRET_KEY: each secret needs at least 32 bytes"),
        ({**GOOD, "secret_key": "a" * 40}, "GATEPASS_SECRET_KEY: each secret needs at least 32 bytes"),
        ({**GOOD, "smtp_url": ""}, "GATEPASS_SMTP_URL is missing"),
        ({**GOOD, "smtp_url": "mail.example.com:587"}, "GATEPASS_SMTP_URL is written smtp://user:password@host:587"),
        ({**GOOD, "smtp_url": "smtps://sekret@mail:x"}, "GATEPASS_SMTP_URL is written smtp://user:password@host:587"),
        ({**GOOD, "smtp_url": "smtps://mail?ca=none.pem"}, "GATEPASS_SMTP_URL names a file in ca= that is not there"),
        ({**GOOD, "mail_from": "Acme, sekret"}, "GATEPASS_MAIL_FROM is written: Acme <no-reply@example.com>"),
        ({**GOOD, "test_mode": "true"}, "GATEPASS_TEST_MODE is on"),
        ({**GOOD, "code_lenght": "6"}, "did you mean GATEPASS_CODE_LENGTH?"),
        (GOOD, "the database is empty"),
    ],
)
def test_it_refuses_what_is_unfit_in_one_sentence(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    answer = commands.run("serve", "--port", "0", cwd=tmp_path, **settings)
    assert (answer.returncode, answer.stdout) == (2, "")
    error, next_step = answer.stderr.splitlines()
    assert said in error
    assert next_step.startswith("next: ")
    assert not any(value in answer.stderr for value in ("sekret", SECRET))


def test_an_empty_database_is_told_the_way(tmp_path: Path) -> None:
    answer = commands.run("serve", "--port", "0", cwd=tmp_path, **GOOD)
    assert answer.stderr.endswith("run: gatepass migrate up\n")


def test_a_database_that_a_newer_version_migrated_is_served(tmp_path: Path) -> None:
    """While versions change, a process of the earlier one may have to start anew."""
    assert commands.run("migrate", "up", cwd=tmp_path, **GOOD).returncode == 0
    with closing(sqlite3.connect(tmp_path / "gatepass.db")) as db, db:
        db.execute("UPDATE alembic_version SET version_num = 'later'")

    with commands.serve(tmp_path, free_port(), **GOOD) as server:
        assert httpx.get(f"{server.url}/readyz", timeout=30).status_code == 200
        assert "a newer version migrated the database, to later" in server.log
    assert commands.run("teams", "list", cwd=tmp_path, **GOOD).returncode == 0


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    assert commands.run("migrate", "up", cwd=tmp_path, **GOOD).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = commands.run("serve", "--port", port, cwd=tmp_path, **GOOD)
    assert answer.returncode == 1
    assert port in answer.stderr
    assert SECRET not in answer.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_another_server_took_meanwhile_is_no_reason_to_try_for_ever(tmp_path: Path, workers: str) -> None:
    """Two servers started at one moment may both have the port, but only one may listen there."""
    assert commands.run("migrate", "up", cwd=tmp_path, **GOOD).returncode == 0
    with socket.socket() as rival:
        rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        rival.bind(("127.0.0.1", 0))
        port = str(rival.getsockname()[1])
        with subprocess.Popen(
            [commands.GATEPASS, "serve", "--port", port, "--workers", workers],
            cwd=tmp_path,
            env=commands.environment(GOOD),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as server:
            assert server.stdout is not None
            assert port in server.stdout.readline().decode()
            rival.listen()
            try:
                _, said = server.communicate(timeout=commands.PATIENCE)
            finally:
                server.terminate()
    assert server.returncode == 1
    assert said.decode().splitlines()[-2:] == [
        "error: the server did not start",
        "next: the log above says why",
    ]
    assert "cannot_listen" in said.decode()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not say whose child a process is")
def test_workers_whose_supervisor_was_killed_stop_and_leave_the_port(tmp_path: Path) -> None:
    assert commands.run("migrate", "up", cwd=tmp_path, **GOOD).returncode == 0
    port = free_port()
    with commands.serve(tmp_path, port, "--workers", "2", **GOOD) as server:
        supervisor = server.process.pid
        family = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        server.process.kill()
        server.process.wait()
        deadline = time.monotonic() + commands.PATIENCE
        while any(_runs(pid) for pid in family):
            assert time.monotonic() < deadline, server.log
            time.sleep(0.02)
        with socket.create_server(("127.0.0.1", port)):
            pass
        assert "supervisor_died" in server.log
    assert len(family) > 2, "two workers, and what counts their resources"


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

"""`gatepass doctor` as operators run it: on a running deployment, on a broken one, and where nothing is configured."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import commands
from gatepass.core.mint import Mint
from post_office import PostOffice
from postgres import free_port


async def run(cwd: Path, *options: str, **settings: str) -> tuple[int, str]:
    done = await asyncio.to_thread(commands.run, "doctor", *options, cwd=cwd, **settings)
    assert done.stderr == "", "logs and tracebacks do not belong here"
    return done.returncode, done.stdout


async def test_a_running_deployment_has_nothing_that_fails(tmp_path: Path, database_url: str) -> None:
    office, port = PostOffice(), free_port()
    await office.open()
    given: dict[str, Any] = {
        "secret_key": Mint().alphanumeric(48),
        "admin_token": Mint().alphanumeric(40),
        "database_url": database_url,
        "public_url": f"http://127.0.0.1:{port}",
        "smtp_url": office.url,
        "mail_from": "Acme <no-reply@acme.dev>",
    }
    try:
        own = tmp_path / "own.db"
        if database_url.startswith("sqlite"):
            given["database_url"] = f"sqlite:///{own}"
            await asyncio.to_thread(commands.run, "migrate", "up", cwd=tmp_path, **given)
        else:
            given["secret_key"] = "a-secret-for-tests-0123456789abcdefghijkl"  # what sealed this shared database's keys
        serving = commands.serve(tmp_path, port, **given)
        await asyncio.to_thread(serving.__enter__)
        try:
            code, said = await run(tmp_path, "--json", **given)
        finally:
            await asyncio.to_thread(serving.__exit__, None, None, None)
    finally:
        await office.close()
    report = json.loads(said)
    wrong = {one["check"]: one["said"] for one in report["checks"] if one["state"] == "fail"}
    shared = (
        {"secret_key", "outbox", "client_addresses", "leftovers_of_tests"} if "postgresql" in database_url else set()
    )
    assert wrong.keys() <= shared, wrong
    assert (code, report["ok"]) == ((1, False) if wrong else (0, True))
    states = {one["check"]: one["state"] for one in report["checks"]}
    assert [states[check] for check in ("reached", "proxy", "mail", "schema", "durability", "clock_in_front")] == [
        "ok"
    ] * 6
    assert len(states) == len(report["checks"]) >= 30
    assert given["admin_token"] not in said
    assert given["secret_key"] not in said


async def test_a_broken_deployment_is_told_what_to_do(tmp_path: Path) -> None:
    given = {"secret_key": Mint().alphanumeric(48), "smtp_url": f"smtp://localhost:{free_port()}"}
    code, said = await run(tmp_path, **given)
    assert code == 1
    assert "fail     database: gatepass.db does not exist\n         next: run: gatepass migrate up\n" in said
    assert "fail     mail: localhost" in said
    assert said.splitlines()[-1].endswith("skipped")


async def test_where_nothing_is_configured_it_says_how_to_begin(tmp_path: Path) -> None:
    code, said = await run(tmp_path)
    assert code == 1
    assert "fail     settings: GATEPASS_SECRET_KEY is missing\n         next: gatepass init" in said
    code, said = await run(tmp_path, "--json", secret_kye=Mint().alphanumeric(48))
    assert "did you mean GATEPASS_SECRET_KEY?" in json.loads(said)["checks"][-1]["said"]

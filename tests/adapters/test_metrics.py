"""Metrics: what the domain did, by closed words alone, and the sum of all processes of one `gatepass serve`."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import commands
from gatepass.adapters import logs, metrics
from gatepass.adapters.metrics import BUCKETS, COUNTERS, Metrics, Seen, reason_of
from gatepass.core.errors import CodeWrong, Refusal
from gatepass.core.facts import Fact
from gatepass.core.schema import MINUTE
from harness import ADMIN_TOKEN, LOGIN, REFRESH, SECRET, VERIFY, Server
from postgres import free_port

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scraped(server: Server, **headers: str) -> Samples:
    answer = await server.client.get("/metrics", headers={**server.admin, **headers})
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    key = (name, tuple(sorted(labels.items())))
    return after.get(key, 0) - before.get(key, 0)


async def test_what_the_domain_did_is_counted(server: Server) -> None:
    before = await scraped(server)
    phone = await server.sign_in()
    old = phone.refresh_token
    await phone.refresh()
    await phone.refresh(old)  # a lost answer, within the window: nothing out of the ordinary yet
    server.clock.advance(ms=2 * MINUTE)
    await phone.refresh(old)
    asked = await server.ask_for_code("bob@example.com")
    wrong = f"{(int(asked['userCode']) + 1) % 10 ** len(asked['userCode']):0{len(asked['userCode'])}d}"
    await server.post(VERIFY, {"transactionId": asked["transactionId"], "code": wrong})
    await phone.refresh()
    await phone.userinfo()
    server.clock.advance(ms=2 * MINUTE)
    await phone.refresh(old)  # a stolen copy
    after = await scraped(server)
    assert {
        name: grown(before, after, f"gatepass_{name}_total")
        for name in ("codes_sent", "codes_verified", "codes_refused", "rotations", "recoveries", "reuse")
    } == {"codes_sent": 2, "codes_verified": 1, "codes_refused": 1, "rotations": 4, "recoveries": 1, "reuse": 1}
    assert grown(before, after, "gatepass_sessions_opened_total", proof="otp") == 1
    assert grown(before, after, "gatepass_refusals_total", reason="code_wrong") == 1
    assert grown(before, after, "gatepass_refusals_total", reason="token_reused") == 1


async def test_the_age_of_the_outbox_is_told(server: Server) -> None:
    await server.ask_for_code("ada@example.com")
    server.clock.advance(seconds=90)
    assert (await scraped(server))["gatepass_outbox_age_seconds", ()] == 90


def test_every_fact_has_a_counter_and_counters_begin_at_nought() -> None:
    assert sorted(fact for _, facts in COUNTERS.values() for fact in facts.values()) == sorted(Fact)
    samples = parsed(metrics.exposition(Seen(), processes=1, outbox_age=None, accept="")[0].decode())
    assert samples["gatepass_codes_sent_total", ()] == 0
    assert samples["gatepass_sessions_opened_total", (("proof", "qr"),)] == 0
    assert ("gatepass_outbox_age_seconds", ()) not in samples, "a database that is away is no age of nought"


async def test_only_the_bearer_of_the_admin_token_may_look(server: Server) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {ADMIN_TOKEN}"}):
        answer = await server.client.get("/metrics", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "gatepass_" not in answer.text
    openmetrics = {"accept": "application/openmetrics-text;version=1.0.0"}
    answer = await server.client.get("/metrics", headers={**server.admin, **openmetrics})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_routes_are_told_by_their_whole_template_and_nothing_by_what_callers_chose(sqlite_server: Server) -> None:
    server = sqlite_server
    app = logs.AccessLog(server.app, answered=server.runtime.metrics.answered)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    secret = "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepass.test") as client:
        await client.get(f"/sdk/auth/v2/session/reikey/{secret}?x={secret}")
        await client.get(f"/nowhere/{secret}")
        await client.request("BREW", f"/{secret}")
        await client.get("/admin/v1/signing-keys", headers=server.admin)
        await client.post(REFRESH, json={"refreshToken": secret})
    text = (await server.client.get("/metrics", headers=server.admin)).text
    assert secret not in text
    assert "BREW" not in text
    routes = {
        dict(labels)["route"] for name, labels in parsed(text) if name == "gatepass_request_duration_seconds_count"
    }
    assert routes >= {"/sdk/auth/v2/session/reikey/{reikey}", "none", "/admin/v1/signing-keys", REFRESH}


def test_a_duration_falls_into_the_bucket_that_it_just_fits() -> None:
    own = Metrics(Counter)
    for seconds in (0.0, BUCKETS[0], BUCKETS[0] + 1e-9, BUCKETS[-1], 99.0):
        own.answered("GET", "/livez", 200, seconds)
    samples = parsed(metrics.exposition(own.own(), processes=1, outbox_age=0, accept="")[0].decode())

    def bucket(bound: str) -> float:
        return samples[
            "gatepass_request_duration_seconds_bucket",
            (("le", bound), ("method", "GET"), ("route", "/livez"), ("status", "200")),
        ]

    assert [bucket(bound) for bound in ("0.005", "0.01", "5.0", "10.0", "+Inf")] == [2, 3, 3, 4, 5]


def test_reasons_are_the_names_of_refusals() -> None:
    assert (reason_of(CodeWrong), reason_of(Refusal)) == ("code_wrong", "refusal")


def test_processes_add_up_and_one_that_ended_still_counts(tmp_path: Path) -> None:
    facts = Counter({Fact.REFRESH: 2})
    one, other = (Metrics(lambda: facts, tmp_path) for _ in range(2))
    one.answered("GET", "/livez", 200, 0.02)
    other.answered("GET", "/livez", 200, 0.2)
    other.refused(CodeWrong)
    other.write()
    (tmp_path / "999999999-ended.json").write_text(Seen(Counter({"refresh": 5}), Counter(), {}).dump())
    (tmp_path / "1-torn.json").write_text('{"facts": {')
    (tmp_path / "stranger.json").write_text("[]")
    seen, processes = one.everyone()
    assert (seen.facts["refresh"], seen.refusals["code_wrong"], processes) == (9, 1, 2)
    ((_, row),) = seen.requests.items()
    assert (sum(row[:-1]), row[-1]) == (2, pytest.approx(0.22))
    assert one.own().facts["refresh"] == 2, "a sum changes nobody's own"


def test_a_directory_that_is_gone_costs_the_sum_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = Metrics(Counter, tmp_path / "absent")
    for number in range(3):
        own.answered("GET", "/livez", 200 + number, 0.1)
        own.write()
    assert own.everyone()[1] == 1


# Real processes.


def served(tmp_path: Path, port: int, url: str) -> Any:
    given = {
        "secret_key": SECRET,
        "admin_token": ADMIN_TOKEN,
        "database_url": url,
        "smtp_url": "smtp://127.0.0.1:9",
        "public_url": f"http://127.0.0.1:{port}",
        "expose_user_code": "true",
        "code_cooldown": "0",
        "limit_login_per_client": "off",
    }
    commands.run("migrate", "up", cwd=tmp_path, **given)
    commands.run("teams", "create", "--name", "Acme", cwd=tmp_path, **given)
    made = commands.run(
        "keys", "create", "--kind", "publishable", "--environment", "development", "--json", cwd=tmp_path, **given
    )
    key = re.search(r'"key": "([^"]+)"', made.stdout)
    assert key is not None, made.stderr
    return commands.serve(tmp_path, port, "--workers", "2", **given), {"x-api-key": key[1]}


def until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + commands.PATIENCE
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_both_workers_are_in_the_sum_and_a_killed_one_stays_in_it(tmp_path: Path) -> None:
    port = free_port()
    serving, headers = served(tmp_path, port, f"sqlite:///{tmp_path / 'served.db'}")
    admin = {"authorization": f"Bearer {ADMIN_TOKEN}"}

    def fresh(method: str, path: str, **more: Any) -> httpx.Response:
        """A call on a connection of its own, so that either worker may take it."""
        return httpx.request(method, f"http://127.0.0.1:{port}{path}", timeout=20, **more)

    def scrape() -> Samples:
        try:
            return parsed(fresh("GET", "/metrics", headers=admin).text)
        except httpx.TransportError:
            return {}

    def codes() -> set[float]:
        told = [scrape().get(("gatepass_codes_sent_total", ())) for _ in range(6)]
        return {
            number for number in told if number is not None
        }  # a call that the killed worker had taken has no answer

    with serving as server:
        until(lambda: scrape().get(("gatepass_processes", ())) == 2, "two workers")
        for number in range(24):
            assert fresh("POST", LOGIN, json={"email": f"u{number}@example.com"}, headers=headers).status_code == 200
        until(lambda: codes() == {24}, "every worker tells the sum")
        pids = [
            int(line)
            for line in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        ]
        workers = [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: scrape().get(("gatepass_processes", ())) == 2, "another took its place")
        assert codes() == {24}, "a counter never falls"
        assert "@example.com" not in server.log


async def test_a_scrape_does_not_hang_with_the_database(server: Server) -> None:
    async def hang() -> None:
        async with server.runtime.database.engine.connect():
            await asyncio.sleep(30)

    taken = [asyncio.create_task(hang()) for _ in range(10)]
    await asyncio.sleep(0)
    try:
        while server.runtime.database.engine.pool.checkedout() < 10:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
        samples = await scraped(server)
    finally:
        for task in taken:
            task.cancel()
        await asyncio.gather(*taken, return_exceptions=True)
    assert ("gatepass_outbox_age_seconds", ()) not in samples
    assert ("gatepass_processes", ()) in samples

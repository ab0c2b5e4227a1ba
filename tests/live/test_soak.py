"""Days of mixed load: no fault, flat memory, and tables that follow the open sessions instead of history.

The server's clock runs six hundred times as fast, so that what is kept for a day is kept for 144 s. Ten minutes by default
are four days; GATEPASS_SOAK_MINUTES asks for more.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

import fast_forward
import fleet
from figures import publish
from gatepass.core.limits import limits
from gatepass.core.otp import otp_transactions
from gatepass.core.outbox import outbox
from gatepass.core.sessions import sessions
from gatepass.core.unit import Unit
from gatepass.wiring import Runtime
from harness import LOGIN, REFRESH, SIGN_OUT, USERINFO, VERIFY, settings
from processes import running
from served import MB, percentile, resident

pytestmark = pytest.mark.live

SPEED = 600
MINUTES = float(os.environ.get("GATEPASS_SOAK_MINUTES", "10"))
PHONES = 24
DAY = 86_400
SETTINGS: dict[str, Any] = {
    "elixir_access_ttl": 10 * DAY,  # a phone that thinks for a second thinks for ten minutes
    "elixir_idle_ttl": DAY,
    "replay_budget": 8,  # the window of 30 s is over in a blink here, so every lost answer is a late one
    "limit_invalid_refresh_per_client": "1000000/day",
    "limit_wrong_codes_per_client": "1000000/day",
    "limit_login_per_client": "1000000/day",
}


@dataclass
class Soak:
    """What was answered, how fast, and what the server weighed and kept, sample by sample."""

    url: str
    key: str
    http: httpx.AsyncClient
    answers: Counter[str] = field(default_factory=Counter)
    refreshes: list[float] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    rows: list[dict[str, int]] = field(default_factory=list)

    async def call(self, path: str, body: Any = None, *, token: str | None = None) -> httpx.Response:
        headers = {"x-api-key": self.key} | ({"authorization": f"Bearer {token}"} if token else {})
        began = time.perf_counter()
        method = "GET" if body is None else "POST"
        answer = await self.http.request(method, self.url + path, json=body, headers=headers)
        if path == REFRESH:
            self.refreshes.append(time.perf_counter() - began)
        self.answers[f"{path} {answer.status_code}"] += 1
        return answer

    async def sign_in(self, name: str) -> dict[str, Any]:
        """Until it works: a code lives for a second here."""
        while True:
            asked = (await self.call(LOGIN, {"email": f"{name}@example.com"})).json()["data"]
            wrong = {"transactionId": asked["transactionId"], "code": "000000"}
            await self.call(VERIFY, wrong)
            answer = await self.call(VERIFY, {**wrong, "code": asked["userCode"]})
            if answer.status_code == 200:
                data: dict[str, Any] = answer.json()["data"]
                return data

    async def live(self, name: str, chance: random.Random) -> None:
        """Refresh, use, lose an answer now and then, sign out and in again."""
        bundle = await self.sign_in(name)
        while True:
            spent = bundle["refreshToken"]
            answer = await self.call(REFRESH, {"refreshToken": spent})
            if chance.random() < 0.1:
                answer = await self.call(REFRESH, {"refreshToken": spent})
            assert answer.status_code == 200, answer.text
            bundle = answer.json()["data"]
            assert (await self.call(USERINFO, token=bundle["token"])).status_code == 200
            if chance.random() < 0.1:
                await self.call(SIGN_OUT, {}, token=bundle["token"])
                await self.call(REFRESH, {"refreshToken": "0" * 72})
                bundle = await self.sign_in(name)
            await asyncio.sleep(chance.uniform(0.1, 0.5))


async def counted(runtime: Runtime) -> dict[str, int]:
    async def count(unit: Unit) -> dict[str, int]:
        kept = (sessions, otp_transactions, outbox, limits)
        return {t.name: await unit.db.scalar(select(func.count()).select_from(t)) or 0 for t in kept}

    return await runtime.read(count)


async def test_days_of_mixed_load_leave_nothing_behind(
    live_database_url: str, database_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fast_forward.ORIGIN, str(time.time_ns() // 1_000_000))
    monkeypatch.setenv(fast_forward.SPEED, str(SPEED))
    deployment = await fleet.deploy(fleet.settings_for(live_database_url, 1))
    runtime = Runtime(settings(live_database_url))
    here = Path(__file__).parent
    with running(1, live_database_url, tmp_path, factory="soaked:app", at=here, **SETTINGS) as (server,):
        async with httpx.AsyncClient(timeout=30) as http:
            soak = Soak(server.url, deployment.publishable_key, http)
            lives = [
                asyncio.create_task(soak.live(f"phone-{number}", random.Random(number))) for number in range(PHONES)
            ]
            try:
                end = time.monotonic() + 60 * MINUTES
                while time.monotonic() < end and not any(life.done() for life in lives):
                    await asyncio.sleep(5)
                    soak.weights.append(resident(server.popen.pid))
                    soak.rows.append(await counted(runtime))
                broken = [life.exception() for life in lives if life.done()]
            finally:
                for life in lives:
                    life.cancel()
                await asyncio.gather(*lives, return_exceptions=True)
                await runtime.close()
        log = server.log.read_text()

    third = len(soak.weights) // 3
    grown = max(soak.weights[-third:]) - max(soak.weights[third : 2 * third])
    rows = {name: [sample[name] for sample in soak.rows] for name in soak.rows[0]}
    days = MINUTES * 60 * SPEED / DAY
    print(soak.answers, grown / MB, {name: many[:: max(1, third // 4)] for name, many in rows.items()})
    assert broken == []
    assert not [what for what in soak.answers if int(what.split()[-1]) >= 500]
    assert log.count('"event": "purged"') or log.count("purged"), "nothing was thrown away"
    assert grown < 10 * MB
    for name, many in rows.items():
        assert max(many[-third:]) <= 1.3 * max(many[third : 2 * third]), name
    assert percentile(soak.refreshes, 0.99) < 0.250
    publish(
        f"soak-{database_name}",
        f"{sum(soak.answers.values()):,} calls in {days:.1f} days, no 5xx, refresh p99 "
        f"{percentile(soak.refreshes, 0.99) * 1000:.0f} ms; memory {grown / MB:+.1f} MB and sessions "
        f"{max(rows['sessions'][-third:]) / max(rows['sessions'][third : 2 * third]) - 1:+.0%} from the second third to "
        "the last",
    )

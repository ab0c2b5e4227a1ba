"""What is counted, when, and what of it is lost."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete

from backend import new_backend
from gatepass.adapters import tally as tallying
from gatepass.adapters.tally import Tally
from gatepass.core import daily_counts, outbox, teams, worlds
from gatepass.core.errors import Unavailable
from gatepass.core.facts import Fact
from gatepass.core.purge import RULES, batch
from gatepass.core.schema import DAY, HOUR
from gatepass.core.sessions import Proof
from gatepass.core.teams import SignUp
from gatepass.core.unit import Unit
from harness import ACCOUNT_QR, LOGIN, QR_VERIFY, REFRESH, VERIFY, Server
from life import begin
from processes import running


async def counted(server: Server, *, since: int = 0) -> dict[int, Counter[Fact]]:
    """The server's team's numbers, all that is in memory written down first."""
    await server.runtime.tally.write(server.runtime.transact)
    return await server.runtime.read(lambda unit: daily_counts.read(unit, since=since, team_id=server.team.id))


async def today(server: Server) -> dict[str, int]:
    """The same of the one day there is."""
    days = await counted(server)
    assert list(days) in ([], [daily_counts.day_of(server.clock.now())])
    return {fact.value: times for counts in days.values() for fact, times in counts.items()}


async def test_every_proof_has_its_own_fact() -> None:
    assert {f"sign_in.{proof}" for proof in Proof} == {fact.value for fact in Fact if fact.value.startswith("sign_in.")}


async def test_a_day_in_the_life_of_a_phone_is_counted(server: Server) -> None:
    phone = await server.sign_in()
    first = phone.refresh_token
    await phone.refresh()
    server.clock.advance(seconds=60)
    assert (await phone.refresh(first)).status_code == 200
    await phone.refresh()
    await phone.userinfo()
    server.clock.advance(seconds=60)
    assert (await phone.refresh(first)).status_code == 400

    assert await today(server) == {
        "code.sent": 1,
        "code.verified": 1,
        "sign_in.otp": 1,
        "refresh": 3,
        "recovery": 1,
        "reuse": 1,
    }


async def test_a_scanned_value_and_a_sign_in_token_are_other_methods(server: Server) -> None:
    phone = await server.sign_in()
    shown = (await server.client.post(ACCOUNT_QR, headers=phone.bearer, json={})).json()["data"]
    assert (await server.post(QR_VERIFY, {"qrValue": shown["qrValue"]})).status_code == 200
    backend = await new_backend(server, team=server.team)
    app = await backend.sign_in()
    assert (await app.refresh()).status_code == 200
    found = await today(server)
    assert (found["sign_in.otp"], found["sign_in.qr"], found["sign_in.sign_in_token"]) == (1, 1, 1)
    assert found["refresh"] == 1


async def test_wrong_expired_and_used_codes_are_refused_and_what_is_no_code_is_not_counted(server: Server) -> None:
    asked = await server.ask_for_code("ada@example.com")
    proof = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
    wrong = {**proof, "code": f"{(int(asked['userCode']) + 1) % 10**6:06d}"}
    await server.post(VERIFY, wrong)
    await server.post(VERIFY, {**proof, "code": "12"})
    assert (await today(server)).get("code.refused") == 1
    assert (await server.post(VERIFY, proof)).status_code == 200
    await server.post(VERIFY, proof)
    late = await server.ask_for_code("ada@example.com")
    server.clock.advance(seconds=601)
    await server.post(VERIFY, {"transactionId": late["transactionId"], "code": late["userCode"]})
    assert (await today(server))["code.refused"] == 3


async def test_a_code_is_delivered_once_and_a_mail_that_came_too_late_is_not(server: Server) -> None:
    await server.ask_for_code("ada@example.com")
    await server.deliver()
    await server.deliver()
    await server.ask_for_code("bob@example.com")
    server.clock.advance(seconds=601)
    await server.deliver()
    found = await today(server)
    assert (found["code.sent"], found["code.delivered"]) == (2, 1)


async def test_a_mail_refused_for_good_is_rejected_once(server: Server) -> None:
    await server.ask_for_code("ada@example.com")
    (claimed,) = await server.runtime.transact(outbox.claim)
    for _ in range(2):
        await server.runtime.transact(lambda unit: outbox.settle(unit, [claimed], outbox.State.REFUSED, "550"))
    assert (await today(server))["code.rejected"] == 1


async def test_a_decoy_is_no_code_sent(server: Server) -> None:
    await server.runtime.transact(lambda unit: teams.change(unit, server.team.id, sign_up=SignUp.CLOSED.value))
    server.runtime.forget()
    await server.ask_for_code("ada@example.com")
    await server.deliver()
    assert await today(server) == {}


async def test_what_is_rolled_back_did_not_happen(server: Server) -> None:
    life = await begin(server)

    async def fail(unit: Unit) -> None:
        unit.count(Fact.REUSE, life.user.team_id)
        raise Unavailable("no")

    with pytest.raises(Unavailable):
        await server.runtime.transact(fail)
    assert await today(server) == {"sign_in.otp": 1}


async def test_days_are_told_apart_and_teams_too(server: Server) -> None:
    server.clock.advance(ms=DAY - server.clock.now() % DAY - 1)
    await server.sign_in()
    server.clock.advance(ms=1)
    await server.sign_in()
    await server.sign_in()
    start = server.clock.now()
    other, key, _ = await server.new_team()
    assert (await server.post(LOGIN, {"email": "ada@example.com"}, key=key)).status_code == 200

    days = await counted(server)
    assert {day: counts[Fact.SIGN_IN_BY_CODE] for day, counts in days.items()} == {start - DAY: 1, start: 2}
    assert list(await counted(server, since=start + HOUR)) == [start]
    of_other = await server.runtime.read(lambda unit: daily_counts.read(unit, since=start, team_id=other.id))
    assert of_other == {start: Counter({Fact.CODE_SENT: 1})}
    everyone = await server.runtime.read(lambda unit: daily_counts.read(unit, since=start))
    assert everyone[start][Fact.CODE_SENT] >= 3


async def test_two_processes_add_to_one_number(server: Server) -> None:
    tallies = Tally(), Tally()
    now = server.clock.now()
    for tally in tallies:
        for fact in Fact:
            for _ in range(3):
                tally.count(fact, server.team.id, now)
    await asyncio.gather(*(tally.write(server.runtime.transact) for tally in tallies))
    assert await today(server) == {fact.value: 6 for fact in Fact}


async def test_totals_only_grow_whether_written_or_not(server: Server) -> None:
    tally = Tally()
    tally.count(Fact.REFRESH, server.team.id, server.clock.now())
    assert tally.totals() == {Fact.REFRESH: 1}
    await tally.write(server.runtime.transact)
    tally.count(Fact.REFRESH, server.team.id, server.clock.now())
    assert tally.totals() == {Fact.REFRESH: 2}


async def test_a_database_that_is_away_loses_nothing(server: Server) -> None:
    tally = Tally()
    tally.count(Fact.REFRESH, server.team.id, server.clock.now())

    async def away(_: Any) -> Any:
        tally.count(Fact.REFRESH, server.team.id, server.clock.now())
        raise Unavailable("out of reach")

    with pytest.raises(Unavailable):
        await tally.write(away)
    await tally.write(server.runtime.transact)
    assert await today(server) == {"refresh": 2}


async def test_a_team_that_is_gone_is_counted_no_more_and_holds_up_no_other(server: Server) -> None:
    tally = Tally()
    gone = uuid4()
    tally.count(Fact.REFRESH, gone, server.clock.now())
    tally.count(Fact.REFRESH, server.team.id, server.clock.now())
    await tally.write(server.runtime.transact)
    assert await today(server) == {"refresh": 1}
    assert await server.runtime.read(lambda unit: daily_counts.read(unit, since=0, team_id=gone)) == {}


async def test_a_dropped_world_takes_its_numbers_along(server: Server) -> None:
    made = await server.runtime.transact(lambda unit: worlds.create(unit, "World", None))
    tally = Tally()
    tally.count(Fact.REFRESH, made.team.id, server.clock.now())
    await tally.write(server.runtime.transact)

    async def left(unit: Unit) -> Any:
        return await daily_counts.read(unit, since=0, team_id=made.team.id)

    assert len(await server.runtime.read(left)) == 1
    await server.runtime.transact(lambda unit: worlds.drop(unit, made.team.id))
    assert await server.runtime.read(left) == {}


async def test_a_day_is_forgotten_after_a_year(server: Server) -> None:
    (rule,) = [rule for rule in RULES if rule.table is daily_counts.daily_counts]

    async def sweep() -> None:
        while await server.runtime.transact(lambda unit: batch(unit, rule)):
            pass

    await server.runtime.transact(_empty)
    await server.sign_in()
    day = daily_counts.day_of(server.clock.now())
    assert len(await today(server)) == 3
    server.clock.advance(ms=day + daily_counts.KEPT - 1 - server.clock.now())
    await sweep()
    assert list(await counted(server)) == [day]
    server.clock.advance(ms=1)
    await sweep()
    assert await counted(server) == {}


async def _empty(unit: Unit) -> None:
    await unit.db.execute(delete(daily_counts.daily_counts))


async def test_what_was_counted_is_written_in_the_background_and_when_the_process_stops(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallying, "FLUSH_EVERY", 0.01)
    tally, written = Tally(), asyncio.Event()

    async def transact(work: Any) -> Any:
        result = await server.runtime.transact(work)
        written.set()
        return result

    async with tally.writing(transact):
        tally.count(Fact.REFRESH, server.team.id, server.clock.now())
        await asyncio.wait_for(written.wait(), 10)
        monkeypatch.setattr(tallying, "FLUSH_EVERY", 3600)
        tally.count(Fact.RECOVERY, server.team.id, server.clock.now())
    assert await today(server) == {"refresh": 1, "recovery": 1}


def test_a_server_that_is_told_to_stop_has_written_down_every_refresh(tmp_path: Path, sqlite_url: str) -> None:
    """The hot path, in a process of its own."""
    with running(1, sqlite_url, tmp_path, admin_token="an-admin-token-for-this-one-test") as (process,):
        admin = {"authorization": "Bearer an-admin-token-for-this-one-test"}
        with httpx.Client(base_url=process.url, headers=admin, timeout=30) as client:
            team = client.post("/admin/v1/teams", json={"name": "Acme"}).json()["id"]
            wanted = {"kind": "publishable", "environment": "development"}
            key = client.post(f"/admin/v1/teams/{team}/keys", json=wanted).json()["key"]
            asked = client.post(LOGIN, json={"email": "ada@example.com"}, headers={"x-api-key": key}).json()["data"]
            proof = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
            bundle = client.post(VERIFY, json=proof, headers={"x-api-key": key}).json()["data"]
            for _ in range(5):
                body = {"refreshToken": bundle["refreshToken"]}
                bundle = client.post(REFRESH, json=body, headers={"x-api-key": key}).json()["data"]
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(30) in (0, -signal.SIGTERM)

    async def look() -> Counter[Fact]:
        from gatepass.wiring import Runtime
        from harness import settings

        runtime = Runtime(settings(sqlite_url))
        try:
            (counts,) = (await runtime.read(lambda unit: daily_counts.read(unit, since=0, team_id=UUID(team)))).values()
            return counts
        finally:
            await runtime.close()

    assert asyncio.run(look())[Fact.REFRESH] == 5

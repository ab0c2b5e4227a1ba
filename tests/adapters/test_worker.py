"""The worker: leases, the end of a life, a database that goes away, a process that is told to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from gatepass.adapters import worker as working
from gatepass.adapters.worker import Worker
from gatepass.core import outbox, teams
from gatepass.core.outbox import LEASE, CodeMail
from gatepass.core.server_secret import ServerSecret
from gatepass.core.teams import SignUp
from harness import Server
from post_office import PostOffice, serve_alone
from postgres import Cluster


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    """A server that takes every mail."""
    office = PostOffice()
    await office.open()
    yield office
    await office.close()


@pytest.fixture
async def mailing(database_url: str, office: PostOffice) -> AsyncIterator[Server]:
    """Gatepass on each database, its mail going to *office*."""
    async with serve_alone(database_url, smtp_url=office.url) as server:
        yield server


def worker_of(server: Server) -> Worker:
    """Another process's worker, as far as the database can tell."""
    return Worker(server.runtime.transact, server.app.state.postman, asyncio.Event())


async def drain(worker: Worker) -> int:
    """Until nothing is due; how many mails were tried."""
    tried = 0
    while some := await worker.drain():
        tried += some
    return tried


async def states(server: Server) -> list[str]:
    """What became of the mails of the server's team, oldest first."""
    query = select(outbox.outbox.c.state).where(outbox.outbox.c.team_id == server.team.id).order_by(outbox.outbox.c.id)

    async def read(unit: Any) -> list[str]:
        return list(await unit.db.scalars(query))

    return await server.runtime.read(read)


async def until(condition: Any, *, seconds: float = 8) -> None:
    """Wait for an awaitable question to be answered with yes."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


async def test_two_workers_send_each_mail_once(mailing: Server, office: PostOffice) -> None:
    for number in range(50):
        await mailing.ask_for_code(f"user-{number}@example.com")
    tried = await asyncio.gather(drain(worker_of(mailing)), drain(worker_of(mailing)))
    assert sum(tried) == 50
    assert len({message["Message-ID"] for message in office.mails}) == len(office.mails) == 50
    assert await states(mailing) == ["sent"] * 50


async def test_a_worker_that_dies_in_the_middle_loses_its_lease(mailing: Server, office: PostOffice) -> None:
    await mailing.ask_for_code("ada@example.com")
    office.takes = 5
    dying = asyncio.create_task(worker_of(mailing).drain())
    await office.receiving.wait()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    office.takes = 0
    mailing.clock.advance(ms=LEASE - 1)
    assert await drain(worker_of(mailing)) == 0
    mailing.clock.advance(ms=1)
    assert await drain(worker_of(mailing)) == 1
    assert await states(mailing) == ["sent"]


async def test_who_has_lost_the_lease_puts_nothing_back(mailing: Server) -> None:
    """Else a slow worker's failure would hand the mail to a third while the second is still sending it."""
    await mailing.ask_for_code("ada@example.com")
    (slow,) = await mailing.runtime.transact(outbox.claim)
    mailing.clock.advance(ms=LEASE)
    (quick,) = await mailing.runtime.transact(outbox.claim)
    await mailing.runtime.transact(lambda unit: outbox.put_back(unit, slow, "late"))
    mailing.clock.advance(ms=LEASE - 1)
    assert await mailing.runtime.transact(outbox.claim) == []
    await mailing.runtime.transact(lambda unit: outbox.settle(unit, [quick], outbox.State.SENT))
    assert await states(mailing) == ["sent"]


async def test_a_decoy_never_leaves(mailing: Server, office: PostOffice) -> None:
    async def close(unit: Any) -> None:
        await teams.change(unit, mailing.team.id, sign_up=SignUp.CLOSED.value)

    await mailing.runtime.transact(close)
    await mailing.ask_for_code("ada@example.com")
    await mailing.deliver()
    assert (await states(mailing), office.mails) == (["discarded"], [])


async def test_a_mail_that_no_secret_opens_is_refused_and_holds_up_no_other(
    mailing: Server, office: PostOffice
) -> None:
    dropped = ServerSecret("a-secret-that-was-dropped-0123456789abcdef")
    mail = CodeMail("eve@example.com", "Acme", "000000", str(UUID(int=1)), mailing.clock.now(), 10, "en")

    async def spoil(unit: Any) -> None:
        sealed = [dropped.seal("outbox", b"{}"), b"\0", unit.secret.seal("outbox", b"[1]"), None]
        for content in sealed:
            await outbox.queue(
                unit,
                outbox.write(unit, team_id=mailing.team.id, mail=mail, expires_at=unit.now + 600_000, deliver=True),
            )
            ours = select(outbox.outbox.c.id).where(outbox.outbox.c.team_id == mailing.team.id)
            newest = ours.order_by(outbox.outbox.c.id.desc()).limit(1).scalar_subquery()
            await unit.db.execute(update(outbox.outbox).where(outbox.outbox.c.id == newest).values(sealed=content))

    await mailing.runtime.transact(spoil)
    await mailing.ask_for_code("ada@example.com")
    assert await drain(worker_of(mailing)) == 1
    assert await states(mailing) == ["refused"] * 4 + ["sent"]
    assert [message["To"] for message in office.mails] == ["ada@example.com"]


async def test_a_waiting_mail_shows_no_code_in_the_database_and_a_settled_one_nothing(mailing: Server) -> None:
    asked = await mailing.ask_for_code("ada@example.com")

    async def sealed(unit: Any) -> bytes | None:
        found: bytes | None = await unit.db.scalar(
            select(outbox.outbox.c.sealed).where(outbox.outbox.c.team_id == mailing.team.id)
        )
        return found

    waiting = await mailing.runtime.read(sealed)
    assert waiting is not None
    assert asked["userCode"].encode() not in waiting
    assert b"ada" not in waiting
    await mailing.deliver()
    assert await mailing.runtime.read(sealed) is None


async def test_the_waits_between_tries_double_up_to_a_minute(mailing: Server, office: PostOffice) -> None:
    office.rcpt = "451 later"
    await mailing.ask_for_code("ada@example.com")
    worker = worker_of(mailing)
    assert await worker.drain() == 1
    waits = []
    while len(waits) < 7:
        waits.append(0)
        while not await worker.drain():
            mailing.clock.advance(seconds=1)
            waits[-1] += 1
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    assert await states(mailing) == ["pending"]


async def test_a_running_worker_is_woken_by_the_request_that_queued_the_mail(
    mailing: Server, office: PostOffice
) -> None:
    worker = Worker(mailing.runtime.transact, mailing.app.state.postman, mailing.runtime.outbox_waits)
    async with worker.running():
        await asyncio.sleep(0.1)
        started = time.monotonic()
        await mailing.ask_for_code("ada@example.com")
        await asyncio.wait_for(office.receiving.wait(), working.IDLE)
        assert time.monotonic() - started < working.IDLE


async def test_a_mail_that_could_not_be_written_down_gives_its_place_back(mailing: Server) -> None:
    """Else every such mail takes one for ever, and with the last of them mail stops."""
    delivered: list[outbox.Claimed] = []
    mailing.runtime.handover.open(2, delivered.append)

    async def twice(unit: Any) -> None:
        mail = CodeMail("ada@example.com", "Acme", "123456", "t", unit.now, 10, "en")
        written = outbox.write(unit, team_id=mailing.team.id, mail=mail, expires_at=unit.now + 1000, deliver=True)
        await outbox.queue(unit, written)
        await outbox.queue(unit, written)  # its id is taken

    with pytest.raises(IntegrityError):
        await mailing.runtime.transact(twice)
    assert mailing.runtime.handover.places == 2
    assert delivered == []


async def test_a_slow_mail_holds_up_no_other(mailing: Server, office: PostOffice) -> None:
    """The first one waits for its answer; one that is queued later is delivered meanwhile."""
    office.takes = 1.5
    worker = Worker(mailing.runtime.transact, mailing.app.state.postman, mailing.runtime.outbox_waits)
    async with worker.running():
        await mailing.ask_for_code("slow@example.com")
        await office.receiving.wait()
        office.takes = 0
        await mailing.ask_for_code("quick@example.com")

        async def quick_came() -> bool:
            return [message["To"] for message in office.mails] == ["quick@example.com"]

        await until(quick_came, seconds=1.4)


async def test_a_delivery_under_way_is_finished_when_the_process_is_told_to_stop(
    mailing: Server, office: PostOffice
) -> None:
    office.takes = 0.5
    worker = Worker(mailing.runtime.transact, mailing.app.state.postman, mailing.runtime.outbox_waits)
    async with worker.running():
        await mailing.ask_for_code("ada@example.com")
        await office.receiving.wait()
    assert len(office.mails) == 1
    assert await states(mailing) == ["sent"]


async def test_a_delivery_that_does_not_finish_is_left_to_its_lease(
    mailing: Server, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "GRACE", 0.2)
    office.takes = 5
    worker = Worker(mailing.runtime.transact, mailing.app.state.postman, mailing.runtime.outbox_waits)
    async with worker.running():
        await mailing.ask_for_code("ada@example.com")
        await office.receiving.wait()
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 2
    assert await states(mailing) == ["pending"]
    office.takes = 0
    mailing.clock.advance(ms=LEASE)
    assert await drain(worker_of(mailing)) == 1


async def test_a_mail_that_left_while_the_database_was_away_is_not_sent_twice(
    postgres_url: str, postgres: Cluster, office: PostOffice
) -> None:
    async with serve_alone(postgres_url, smtp_url=office.url) as server:
        worker = Worker(server.runtime.transact, server.app.state.postman, server.runtime.outbox_waits)
        office.takes = 2
        async with worker.running():
            await server.ask_for_code("ada@example.com")
            await office.receiving.wait()
            with capture_logs() as logs:
                await asyncio.to_thread(postgres.stop, "fast")

                async def it_left() -> bool:
                    return len(office.mails) == 1

                try:
                    await until(it_left)
                    await until(lambda: asyncio.sleep(0, any(line.get("doing") == "settling" for line in logs)))
                finally:
                    await asyncio.to_thread(postgres.boot)

            async def it_is_written_down() -> bool:
                return await states(server) == ["sent"]

            await until(it_is_written_down)
            office.takes = 0
            await server.ask_for_code("bob@example.com")

            async def the_next_left() -> bool:
                return len(office.mails) == 2

            await until(the_next_left)
    assert {line["event"] for line in logs} == {"database_out_of_reach"}
    assert [message["To"] for message in office.mails] == ["ada@example.com", "bob@example.com"]


async def test_the_inbox_prints_the_code_for_the_developer_only_in_test_mode(sqlite_url: str) -> None:
    for test_mode in (True, False):
        async with serve_alone(sqlite_url, test_mode=test_mode) as server:
            asked = await server.ask_for_code("ada@example.com")
            with capture_logs() as logs:
                (message,) = await server.deliver()
        lines = [line["event"] for line in logs if asked["userCode"] in str(line)]
        assert lines == [f"code {asked['userCode']} for ada@example.com (Acme)"] * test_mode
        assert message.code == asked["userCode"]
        assert message.subject == f"{asked['userCode']} is your Acme sign-in code"
        assert asked["userCode"] in message.text
        assert set(asdict(message)) >= {"id", "to", "subject", "text", "html", "code", "transaction_id", "sent_at"}


async def test_the_inbox_keeps_a_mail_that_comes_twice_once(server: Server) -> None:
    await server.ask_for_code("ada@example.com")
    mails = await server.runtime.transact(outbox.claim)
    (claimed,) = [claimed for claimed in mails if claimed.team_id == server.team.id]
    await server.app.state.postman.deliver(claimed)
    await server.app.state.postman.deliver(claimed)
    assert len(await server.deliver()) == 1

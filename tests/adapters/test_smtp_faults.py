"""What a mail server may do to us, and what becomes of the mail."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from gatepass.adapters.mail import smtp
from gatepass.adapters.worker import Worker
from gatepass.core import outbox
from gatepass.core.unit import Unit
from harness import Server
from post_office import FINE, PASSWORD, PostOffice, row_of, serve_alone

Moody = Callable[[PostOffice], Awaitable[None]]


async def refuses(office: PostOffice) -> None:
    await office.close()


async def hangs(office: PostOffice) -> None:
    office.hangs = True


async def defers_the_recipient(office: PostOffice) -> None:
    office.rcpt = "451 4.7.1 greylisted"


async def defers_the_content(office: PostOffice) -> None:
    office.data = "452 4.3.1 no room"


async def drops(office: PostOffice) -> None:
    office.drops = True


async def keeps_and_drops(office: PostOffice) -> None:
    office.drops = office.keeps_dropped = True


MOODS = [refuses, hangs, defers_the_recipient, defers_the_content, drops]


async def recover(office: PostOffice) -> None:
    office.hangs = office.drops = office.keeps_dropped = False
    office.rcpt = office.data = FINE
    if office._server is None:
        await office.open()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits ten seconds for a server that hangs."""
    monkeypatch.setattr(smtp, "ANSWER", 0.3)


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.usefixtures("impatient")
async def test_a_mail_arrives_once_when_the_server_has_recovered(
    mailing: Server, office: PostOffice, mood: Moody
) -> None:
    await mood(office)
    await mailing.ask_for_code("ada@example.com")
    for seconds in (0, 2, 4):
        mailing.clock.advance(seconds=seconds)
        await mailing.deliver()
    row = await row_of(mailing)
    assert (row.state, row.tries, office.mails) == ("pending", 3, [])
    await recover(office)
    await mailing.deliver()
    assert office.mails == [], "the next try is not due yet"
    for _ in range(3):
        mailing.clock.advance(seconds=60)
        await mailing.deliver()
    assert len(office.mails) == 1
    assert (await row_of(mailing)).state == "sent"


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.usefixtures("impatient")
async def test_a_mail_whose_code_has_died_never_arrives(mailing: Server, office: PostOffice, mood: Moody) -> None:
    await mood(office)
    await mailing.ask_for_code("ada@example.com")
    await mailing.deliver()
    await recover(office)
    mailing.clock.advance(seconds=600)
    await mailing.deliver()
    row = await row_of(mailing)
    assert (row.state, row.sealed, office.mails) == ("expired", None, [])


@pytest.mark.parametrize("mood", [*MOODS, keeps_and_drops])
@pytest.mark.usefixtures("impatient")
async def test_ten_minutes_of_trouble_lose_nothing(mailing: Server, office: PostOffice, mood: Moody) -> None:
    """A user a minute asks for a code. Whoever's code still lives gets the mail, and nobody gets two different ones;
    a server that keeps what it never answered for gets one again, with the same Message-ID (RFC 5321 section 6.1)."""
    await mood(office)
    for minute in range(10):
        await mailing.ask_for_code(f"user-{minute}@example.com")
        for _ in range(6):
            await mailing.deliver()
            mailing.clock.advance(seconds=10)
    kept = {message["Message-ID"]: message["To"] for message in office.mails}
    await recover(office)
    for _ in range(13):
        await mailing.deliver()
        mailing.clock.advance(seconds=10)

    received = Counter(message["To"] for message in office.mails)
    alive = {f"user-{minute}@example.com" for minute in range(1, 10)}
    assert alive <= received.keys() <= alive | {"user-0@example.com"}
    assert len({message["Message-ID"] for message in office.mails}) == len(received)
    if not kept:
        assert set(received.values()) == {1}
    assert await waiting(mailing) == 0


async def waiting(server: Server) -> int:
    """How many mails have neither left nor died."""

    async def count(unit: Unit) -> int:
        return await unit.db.scalar(select(func.count()).where(outbox.outbox.c.state == "pending")) or 0

    return await server.runtime.read(count)


async def test_a_conversation_ends_when_its_code_dies(mailing: Server, office: PostOffice) -> None:
    office.hangs = True
    await mailing.ask_for_code("ada@example.com")
    mailing.clock.advance(seconds=599, ms=700)
    await mailing.deliver()
    row = await row_of(mailing)
    assert (row.state, row.last_failure) == ("pending", "the server took too long")


@pytest.mark.parametrize(
    ("stage", "answer", "why"),
    [("rcpt", "550 5.1.1 no such user", "RCPT: 550 5.1.1"), ("data", "554 we think this is spam", "DATA: 554")],
)
async def test_a_server_that_says_never_is_believed(
    mailing: Server, office: PostOffice, stage: str, answer: str, why: str
) -> None:
    setattr(office, stage, answer)
    await mailing.ask_for_code("ada@example.com")
    await mailing.deliver()
    row = await row_of(mailing)
    assert (row.state, row.tries, row.last_failure, row.sealed) == ("refused", 1, why, None)


async def test_every_try_carries_the_same_message(mailing: Server, office: PostOffice) -> None:
    """A server that keeps a mail and loses its answer gets it again; the Message-ID lets the reader's side fold them."""
    office.drops = office.keeps_dropped = True
    await mailing.ask_for_code("ada@example.com")
    await mailing.deliver()
    office.drops = False
    mailing.clock.advance(seconds=2)
    await mailing.deliver()
    first, second = office.envelopes
    assert first.original_content == second.original_content


@pytest.mark.parametrize("mood", MOODS)
async def test_asking_for_a_code_never_waits_for_the_mail_server(
    mailing: Server, office: PostOffice, mood: Moody
) -> None:
    """The worker is running, and stuck, when the second and third request come."""
    await mood(office)
    worker = Worker(mailing.runtime.transact, mailing.app.state.postman, mailing.runtime.outbox_waits)
    async with worker.running():
        for _ in range(3):
            started = time.monotonic()
            await mailing.ask_for_code("ada@example.com")
            assert time.monotonic() - started < 1
            await asyncio.sleep(0.1)
        await office.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("mood", [*MOODS, None])
async def test_no_log_and_no_row_quotes_the_address_the_code_or_the_server(
    sqlite_url: str, office: PostOffice, mood: Moody | None
) -> None:
    """The server here repeats the address in whatever it answers, as servers do."""
    if mood:
        await mood(office)
    async with serve_alone(sqlite_url, smtp_url=office.url) as server:
        with capture_logs() as logs:
            asked = await server.ask_for_code("ada.lovelace@example.com")
            await server.deliver()
        row = await row_of(server)
    assert logs
    for word in ("ada.lovelace", asked["userCode"], PASSWORD):
        assert word not in f"{logs}{row.last_failure}".lower()

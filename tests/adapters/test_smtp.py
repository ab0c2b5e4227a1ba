"""Mail over a real SMTP conversation: what a server may do to us, and what becomes of the mail."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from gatepass.adapters.clock import ManualClock
from gatepass.adapters.mail import smtp
from gatepass.adapters.mail.mime import Sender
from gatepass.adapters.mail.smtp import SmtpServer
from gatepass.adapters.worker import Worker
from gatepass.core import outbox
from gatepass.core.schema import DAY
from gatepass.main import create_app
from gatepass.settings import Settings
from harness import VERIFY, Server, serve, settings
from post_office import FINE, PASSWORD, USER, PostOffice, make_certificate, serve_alone
from postgres import free_port

FROM = "Acme Games <no-reply@acme.example>"
Moody = Callable[[PostOffice], Awaitable[None]]


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
    async with serve_alone(database_url, smtp_url=office.url, mail_from=FROM) as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("post"))


async def row_of(server: Server) -> Any:
    """The one mail in the outbox of the server's team."""
    query = select(outbox.outbox).where(outbox.outbox.c.team_id == server.team.id)
    return await server.runtime.read(lambda unit: _one(unit, query))


async def _one(unit: Any, query: Any) -> Any:
    return (await unit.db.execute(query)).one()


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def test_a_code_travels_by_mail_and_signs_in(mailing: Server, office: PostOffice) -> None:
    asked = await mailing.ask_for_code("Ada.Lovelace@Example.com", key=mailing.production_key)
    await mailing.deliver()
    (message,) = office.mails
    (code,) = re.findall(r"\d{5,}", text_of(message))
    body = {"transactionId": asked["transactionId"], "code": code}
    answer = await mailing.post(VERIFY, body, key=mailing.production_key)
    assert answer.status_code == 200
    row = await row_of(mailing)
    assert (row.state, row.sealed) == ("sent", None)


async def test_the_message_has_the_headers_of_the_contract(mailing: Server, office: PostOffice) -> None:
    asked = await mailing.ask_for_code("Ada.Lovelace+x@example.com")
    await mailing.deliver()
    (message,), (envelope,) = office.mails, office.envelopes
    assert message["From"] == "Acme Games <no-reply@acme.example>"
    assert message["To"] == "Ada.Lovelace+x@example.com"
    assert message["Subject"] == f"{asked['userCode']} is your Acme sign-in code"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "en"
    assert message["Date"].datetime.timestamp() == mailing.clock.now() // 1000
    assert message["Message-ID"] == f"<{(await row_of(mailing)).id}@acme.example>"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    for part in message.iter_parts():
        assert re.findall(r"\d{5,}", str(part.get_content())) == [asked["userCode"]]
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@acme.example", ["Ada.Lovelace+x@example.com"])
    assert envelope.smtp_utf8 is False
    raw = envelope.original_content
    assert raw is not None
    assert raw.isascii()


async def test_the_subject_keeps_the_code_to_itself_where_that_is_wanted(sqlite_url: str, office: PostOffice) -> None:
    async with serve_alone(sqlite_url, smtp_url=office.url, code_in_subject=False) as server:
        await server.ask_for_code("ada@example.com")
        await server.deliver()
    assert office.mails[0]["Subject"] == "Your Acme sign-in code"


async def test_the_mail_speaks_the_language_that_was_asked_for(sqlite_url: str, office: PostOffice) -> None:
    async with serve_alone(sqlite_url, smtp_url=office.url) as server:
        body = {"email": "ada@example.com"}
        await server.post("/sdk/auth/v2/signin/otp-login", body, headers={"accept-language": "xx, ja;q=0.8, de;q=0.9"})
        await server.post("/sdk/auth/v2/signin/otp-login", {**body, "locale": "pt-BR"})
        await server.deliver()
    assert {message["Content-Language"] for message in office.mails} == {"de", "pt-BR"}


async def test_starttls_and_a_password(sqlite_url: str, certificate: Path) -> None:
    office = PostOffice(certificate=certificate, starttls=True, wants_password=True)
    await office.open()
    async with serve_alone(sqlite_url, smtp_url=office.url) as server:
        await server.ask_for_code("ada@example.com")
        await server.deliver()
    await office.close()
    (session,) = office.sessions
    assert session.ssl is not None
    assert session.authenticated


async def test_tls_from_the_first_byte(sqlite_url: str, certificate: Path) -> None:
    office = PostOffice(certificate=certificate, wants_password=True)
    await office.open()
    async with serve_alone(sqlite_url, smtp_url=office.url) as server:
        await server.ask_for_code("ada@example.com")
        await server.deliver()
    await office.close()
    assert len(office.mails) == 1


async def test_nothing_is_told_to_a_server_whose_certificate_is_not_trusted(sqlite_url: str, certificate: Path) -> None:
    office = PostOffice(certificate=certificate, starttls=True, wants_password=True)
    await office.open()
    stranger = re.sub(r"&?ca=[^&]*", "", office.url)
    async with serve_alone(sqlite_url, smtp_url=stranger) as server:
        await server.ask_for_code("ada@example.com")
        await server.deliver()
        row = await row_of(server)
    await office.close()
    assert (row.state, row.last_failure) == ("pending", "no TLS: CERTIFICATE_VERIFY_FAILED")
    assert office.mails == []


async def test_a_server_without_starttls_gets_no_password(sqlite_url: str, office: PostOffice) -> None:
    url = office.url.replace("smtp://", f"smtp://{USER.replace('@', '%40')}:secret-word@").replace("false", "true")
    async with serve_alone(sqlite_url, smtp_url=url) as server:
        await server.ask_for_code("ada@example.com")
        await server.deliver()
        row = await row_of(server)
    assert (row.state, row.last_failure) == ("pending", "the server lacks what the SMTP URL asks for")
    assert office.mails == []


async def test_a_failure_to_connect_says_why(sqlite_url: str, office: PostOffice) -> None:
    """Nobody listens; and a server that speaks no TLS is asked for it."""
    failures = []
    for url in (office.url.replace("smtp:", "smtps:").partition("?")[0], f"smtp://127.0.0.1:{free_port()}"):
        async with serve_alone(sqlite_url, smtp_url=url) as server:
            await server.ask_for_code("ada@example.com")
            await server.deliver()
            failures.append((await row_of(server)).last_failure)
    assert failures == ["no TLS: WRONG_VERSION_NUMBER", "no connection: ConnectionRefusedError"]


async def test_a_wrong_password_may_be_mended(sqlite_url: str, certificate: Path) -> None:
    office = PostOffice(certificate=certificate, starttls=True, wants_password=True, password="another")
    await office.open()
    async with serve_alone(sqlite_url, smtp_url=office.url) as server:
        await server.ask_for_code("ada@example.com")
        await server.deliver()
        assert (await row_of(server)).last_failure == "SMTPAuthenticationError: 535 5.7.8"
        office.password = PASSWORD
        server.clock.advance(seconds=3)
        await server.deliver()
    await office.close()
    assert len(office.mails) == 1


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


MOODS = [refuses, hangs, defers_the_recipient, defers_the_content, drops]


async def recover(office: PostOffice) -> None:
    office.hangs = office.drops = False
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


async def test_the_whole_server_mails_by_itself_and_lets_go_of_everything_at_its_end(
    sqlite_url: str, office: PostOffice
) -> None:
    clock = ManualClock(ManualClock().now() + 5000 * DAY)
    app = create_app(settings(sqlite_url, smtp_url=office.url), clock=clock)
    async with serve(sqlite_url, clock=clock) as asking:
        await asking.ask_for_code("ada@example.com")
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(office.receiving.wait(), 5)
        assert (await row_of(asking)).state == "sent"
    assert office.quit == 1


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


@pytest.mark.parametrize(
    ("public_url", "name"),
    [
        ("https://auth.example.com/x", "auth.example.com"),
        ("http://192.0.2.7:8000", "[192.0.2.7]"),
        ("http://[2001:db8::7]", "[IPv6:2001:db8::7]"),
        ("https://bücher.example", "xn--bcher-kva.example"),
    ],
)
async def test_the_server_greets_with_its_public_name(
    sqlite_url: str, office: PostOffice, public_url: str, name: str
) -> None:
    async with serve_alone(sqlite_url, smtp_url=office.url, public_url=public_url) as server:
        await server.ask_for_code("ada@example.com")
        await server.deliver()
    assert office.sessions[0].host_name == name


async def test_mails_share_a_connection_and_a_dead_one_is_replaced(sqlite_url: str, office: PostOffice) -> None:
    async with serve_alone(sqlite_url, smtp_url=office.url) as server:
        for _ in range(3):
            await server.ask_for_code("ada@example.com")
            await server.deliver()
        assert office.connections == 1
        office.hang_up()
        await server.ask_for_code("ada@example.com")
        await server.deliver()
    assert (len(office.mails), office.connections) == (4, 2)


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com\r\nBcc: all@example.com",
        "ada@example.com\nX: y",
        "ada@example.com, all@example.com",
        "<script>@example.com",
        "ada@example.com\0",
        "ada @example.com",
        "@",
    ],
)
async def test_an_address_that_would_break_a_header_gets_no_mail(
    sqlite_url: str, office: PostOffice, address: str
) -> None:
    """The surfaces refuse such addresses; the mail does not rely on it."""
    async with serve_alone(sqlite_url, smtp_url=office.url) as server:
        now = server.clock.now()
        mail = outbox.CodeMail(address, "Acme", "482193", str(UUID(int=1)), now, 10, "en")
        await server.runtime.transact(
            lambda unit: outbox.queue(unit, team_id=server.team.id, mail=mail, expires_at=now + 600_000, deliver=True)
        )
        await server.deliver()
        assert (await row_of(server)).state == "refused"
    assert office.mails == []


async def test_a_long_address_and_a_long_name_in_any_script_arrive_whole(sqlite_url: str, office: PostOffice) -> None:
    to = f"{'x' * 64}@{'a' * 60}.{'b' * 60}.{'c' * 55}.example"
    async with serve_alone(
        sqlite_url, smtp_url=office.url, mail_from='"Büro, Abt. 日本" <no-reply@acme.example>'
    ) as server:
        server.team, server.development_key, _ = await server.new_team("日本ゲームズ " * 14)
        await server.ask_for_code(to)
        await server.deliver()
    (message,) = office.mails
    assert message["To"] == to
    assert message["From"].addresses[0].display_name == "Büro, Abt. 日本"
    assert "日本ゲームズ 日本ゲームズ" in message["Subject"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 587, False, None, None, None)),
        ("smtp://u:p@mail.example", ("mail.example", 587, False, True, "u", "p")),
        ("smtp://u:p@127.0.0.1:1025", ("127.0.0.1", 1025, False, False, "u", "p")),
        ("smtp://a%40b:c%3Ad@mail.example:25?starttls=false", ("mail.example", 25, False, False, "a@b", "c:d")),
        ("smtps://u:p@mail.example", ("mail.example", 465, True, False, "u", "p")),
    ],
)
def test_an_smtp_url_says_how_to_deliver(url: str, expected: tuple[Any, ...]) -> None:
    server = SmtpServer.parse(url)
    assert (server.host, server.port, server.tls, server.starttls, server.user, server.password) == expected


@pytest.mark.parametrize(
    "url",
    [
        "mail.example:587",
        "http://u:hunter2@mail.example",
        "smtp://u:hunter2@",
        "smtp://u:hunter2@mail.example:port",
        "smtp://u:hunter2@mail.example?starttls=maybe",
        "smtp://u:hunter2@mail.example?startls=true",
        "smtps://u:hunter2@mail.example?starttls=true",
    ],
)
def test_an_smtp_url_that_cannot_be_read_is_explained_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match="smtp://user:password@host:587") as refused:
        SmtpServer.parse(url)
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(SmtpServer.parse("smtp://u:hunter2@mail.example"))


@pytest.mark.parametrize("text", ["", "Acme", "Acme <no-reply>", "<@x>", "Acme\r\nBcc: a@b <no-reply@acme.example>"])
def test_a_sender_without_an_address_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="GATEPASS_MAIL_FROM"):
        Sender.parse(text)


def test_the_default_sender_is_a_sender() -> None:
    assert Sender.parse(Settings.model_fields["mail_from"].default).domain == "localhost"

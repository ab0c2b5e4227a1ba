"""Mail over a real SMTP conversation: what is said in it, and what arrives."""

from __future__ import annotations

import asyncio
import re
from email.message import EmailMessage
from uuid import UUID

import pytest

from gatepass.adapters.clock import ManualClock
from gatepass.adapters.mail.mime import Sender
from gatepass.core import outbox
from gatepass.core.schema import DAY
from gatepass.main import create_app
from gatepass.settings import Settings
from harness import VERIFY, Server, serve, settings
from post_office import PostOffice, row_of, serve_alone


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
            lambda unit: outbox.queue(
                unit, outbox.write(unit, team_id=server.team.id, mail=mail, expires_at=now + 600_000, deliver=True)
            )
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


@pytest.mark.parametrize("text", ["", "Acme", "Acme <no-reply>", "<@x>", "Acme\r\nBcc: a@b <no-reply@acme.example>"])
def test_a_sender_without_an_address_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="GATEPASS_MAIL_FROM"):
        Sender.parse(text)


def test_the_default_sender_is_a_sender() -> None:
    assert Sender.parse(Settings.model_fields["mail_from"].default).domain == "localhost"

"""How the mail server is reached: its URL, TLS, passwords, and connections that are kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gatepass.adapters.mail.smtp import SmtpServer
from post_office import PASSWORD, USER, PostOffice, row_of, serve_alone
from postgres import free_port


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

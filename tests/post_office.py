"""A real SMTP server in the test process, with moods, and a certificate of its own making."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import warnings
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import select

from gatepass.adapters.clock import ManualClock
from gatepass.core.outbox import outbox
from gatepass.core.schema import DAY
from gatepass.core.unit import Unit
from harness import Server, serve

USER, PASSWORD = "gatepass@relay", "p@ss/w0rd:?"
FINE = "250 2.0.0 fine"


@dataclass
class PostOffice:
    """Takes mail on a port of the loopback interface. Its answers are what a test sets them to."""

    port: int = 0
    certificate: Path | None = None
    starttls: bool = False
    wants_password: bool = False
    password: str = PASSWORD

    rcpt: str = FINE
    data: str = FINE
    takes: float = 0
    """Seconds until DATA is answered."""
    hangs: bool = False
    """Connects, and never says a word."""
    drops: bool = False
    """Hangs up after the whole mail has come, without an answer..."""
    keeps_dropped: bool = False
    """... having kept it."""

    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    connections: int = 0
    quit: int = 0
    """How many took their leave."""
    receiving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while a mail has come and is not answered yet."""
    _server: asyncio.Server | None = None
    _open: set[asyncio.BaseTransport] = field(default_factory=set)

    async def open(self) -> None:
        """Listen; on the same port as before, if there was one."""
        loop = asyncio.get_running_loop()
        context = None
        if self.certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.certificate)
        self._server = await loop.create_server(
            lambda: self._protocol(context),
            "127.0.0.1",
            self.port,
            ssl=None if self.starttls else context,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and hang up on everyone."""
        if self._server:
            self._server.close()
            self.hang_up()
            await self._server.wait_closed()
            self._server = None

    def hang_up(self) -> None:
        """Close every connection, as servers do with idle ones."""
        for transport in self._open:
            transport.close()
        self._open.clear()

    @property
    def url(self) -> str:
        user = "gatepass%40relay:p%40ss%2Fw0rd%3A%3F@" if self.wants_password else ""
        trust = f"ca={self.certificate}" if self.certificate else ""
        if self.certificate and not self.starttls:
            return f"smtps://{user}localhost:{self.port}?{trust}"
        options = "&".join(part for part in (f"starttls={str(self.starttls).lower()}", trust) if part)
        return f"smtp://{user}localhost:{self.port}?{options}"

    def _protocol(self, context: ssl.SSLContext | None) -> asyncio.Protocol:
        with warnings.catch_warnings(category=UserWarning, action="ignore"):  # that a password may come in the clear
            return _Conversation(
                self,
                hostname="post.test",
                ident="post.test ESMTP",
                tls_context=context if self.starttls else None,
                require_starttls=self.starttls,
                authenticator=self._authenticate,
                auth_required=self.wants_password,
                auth_require_tls=False,
                auth_exclude_mechanism=["LOGIN"],
            )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
        fits = (given.login, given.password) == (USER.encode(), self.password.encode())
        return AuthResult(success=fits, handled=False)

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.rcpt == FINE:
            envelope.rcpt_tos.append(address)
        return f"{self.rcpt} <{address}>"

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        self.quit += 1
        return "221 bye"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.receiving.set()
        await asyncio.sleep(self.takes)
        self.receiving.clear()
        if self.data == FINE and (not self.drops or self.keeps_dropped):
            message = message_from_bytes(envelope.original_content or b"", policy=default)
            assert isinstance(message, EmailMessage)
            self.mails.append(message)
            self.envelopes.append(envelope)
            self.sessions.append(session)
        if self.drops:
            server.transport.abort()
        return f"{self.data} {envelope.rcpt_tos}"


class _Conversation(SMTP):
    """One connection; mute from the start where the office hangs."""

    def __init__(self, office: PostOffice, **options: Any) -> None:
        self._office = office
        self._mute = office.hangs
        super().__init__(office, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._office.connections += 1
        self._office._open.add(transport)
        if not self._mute:
            super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._mute:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._mute else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._mute:
            super().connection_lost(error)


_days = itertools.count(1)


def serve_alone(database_url: str, **given: Any) -> AbstractAsyncContextManager[Server]:
    """A server on a day of its own: the mails that other tests left in the shared outbox have died by then."""
    return serve(database_url, clock=ManualClock(ManualClock().now() + next(_days) * DAY), **given)


async def row_of(server: Server) -> Any:
    """The one mail in the outbox of the server's team."""

    async def look(unit: Unit) -> Any:
        return (await unit.db.execute(select(outbox).where(outbox.c.team_id == server.team.id))).one()

    return await server.runtime.read(look)


def make_certificate(directory: Path) -> Path:
    """A key and a certificate for localhost, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = directory / "post.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return path

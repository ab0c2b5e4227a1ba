"""Mail that leaves over SMTP (RFC 5321), by STARTTLS or TLS, and what each answer means for the next try.

A server that refuses the recipient or the content (5xx to RCPT or DATA) is believed; everything else, from a refused
connection to a wrong password, may be mended while the code lives, so the mail is tried again. Nothing that is raised
or logged here quotes the server, for servers quote addresses.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit

import idna
from aiosmtplib import (
    SMTP,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from gatepass.adapters.clock import Clock
from gatepass.adapters.mail import DeliveryFailed
from gatepass.adapters.mail.compose import compose
from gatepass.adapters.mail.mime import Sender, write
from gatepass.core.errors import InputRefused
from gatepass.core.outbox import LEASE, Claimed
from gatepass.core.schema import SECOND

ANSWER = 10.0
"""Seconds the server may take for one answer."""
DELIVERY = 30.0
"""Seconds one delivery may take in all, waiting for a connection included; the lease is three times that."""
CONNECTIONS = 8
"""Conversations at a time, per process."""
KEPT = 15.0
"""Seconds an unused connection is kept for the next mail."""

assert 2 * DELIVERY * SECOND < LEASE

_HOW_TO_WRITE = "GATEPASS_SMTP_URL is written smtp://user:password@host:587?starttls=true or smtps://..."


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over. *starttls* None: encrypt if the server offers it. *ca*: a file of trusted roots."""

    host: str
    port: int
    tls: bool
    starttls: bool | None
    user: str | None
    password: str | None = field(repr=False)
    ca: str | None

    @classmethod
    def parse(cls, url: str) -> SmtpServer:
        """`smtp://user:password@host:587?starttls=true`, or `smtps://`; `ca=/path.pem` trusts a private authority.

        Without `starttls` a password never travels in the clear, save to this host itself. Raises ValueError, which
        quotes nothing of *url*.
        """
        try:
            parts = urlsplit(url)
            host, port, options = parts.hostname, parts.port, dict(parse_qsl(parts.query, strict_parsing=True))
        except ValueError:
            raise ValueError(_HOW_TO_WRITE) from None
        if parts.scheme not in ("smtp", "smtps") or not host or options.keys() - {"starttls", "ca"}:
            raise ValueError(_HOW_TO_WRITE)
        tls = parts.scheme == "smtps"
        if (tls and "starttls" in options) or options.get("starttls", "true") not in ("true", "false"):
            raise ValueError(f"{_HOW_TO_WRITE}; starttls is true or false, and for smtp:// only")
        starttls = options["starttls"] == "true" if "starttls" in options else _default_starttls(host, parts.username)
        return cls(
            host=host,
            port=port or (465 if tls else 587),
            tls=tls,
            starttls=False if tls else starttls,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or "") if parts.username else None,
            ca=options.get("ca"),
        )


def _default_starttls(host: str, user: str | None) -> bool | None:
    if host == "localhost" or _is_loopback(host):
        return False
    return True if user else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class SmtpPostman:
    """Hands mails to *server* as *sender*. *greets_as* is the name this host gives in EHLO."""

    def __init__(
        self, server: SmtpServer, sender: Sender, clock: Clock, *, greets_as: str, code_in_subject: bool = True
    ) -> None:
        self._server = server
        self._sender = sender
        self._clock = clock
        self._greets_as = _host_name(greets_as)
        self._code_in_subject = code_in_subject
        self._tls = ssl.create_default_context(cafile=server.ca)
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._kept: list[tuple[SMTP, asyncio.TimerHandle]] = []

    async def deliver(self, claimed: Claimed) -> None:
        """Hand over one mail, well within its lease and never after its code has died. Raises DeliveryFailed."""
        left = (claimed.expires_at - self._clock.now()) / SECOND
        if left <= 0:
            raise DeliveryFailed("the code has died")
        failure: DeliveryFailed | None = None
        try:
            async with asyncio.timeout(min(DELIVERY, left)), self._room:
                await self._converse(claimed)
        except DeliveryFailed as known:
            failure = known
        except Exception as error:
            failure = _explain(error)
        if failure is not None:
            raise failure from None

    async def try_out(self) -> bool:
        """Connect, sign in and announce a mail from the sender, without sending one; whether that was encrypted.

        Raises DeliveryFailed.
        """
        failure: DeliveryFailed | None = None
        try:
            async with asyncio.timeout(DELIVERY):
                smtp = await self._new_connection()
                try:
                    await smtp.mail(self._sender.address)
                    encrypted = smtp.get_transport_info("sslcontext") is not None
                    await smtp.quit()
                finally:
                    smtp.close()
                return encrypted
        except Exception as error:
            failure = _explain(error)
        raise failure from None

    async def close(self) -> None:
        """Let go of the kept connections."""
        while self._kept:
            smtp, timer = self._kept.pop()
            timer.cancel()
            with suppress(Exception):
                await smtp.quit(timeout=1.0)
            smtp.close()

    async def _converse(self, claimed: Claimed) -> None:
        try:
            message = write(compose(claimed, code_in_subject=self._code_in_subject), claimed, self._sender)
        except InputRefused:
            raise DeliveryFailed("no header may hold this address", for_good=True) from None
        smtp = await self._announced()
        try:
            await self._hand_over(smtp, message, claimed.mail.to)
        except BaseException:
            smtp.close()
            raise
        self._keep(smtp)

    async def _hand_over(self, smtp: SMTP, message: bytes, to: str) -> None:
        try:
            await smtp.rcpt(to)
            await smtp.data(message)
        except (SMTPRecipientRefused, SMTPDataError) as refused:
            stage = "RCPT" if isinstance(refused, SMTPRecipientRefused) else "DATA"
            raise DeliveryFailed(f"{stage}: {_codes(refused)}", for_good=500 <= refused.code < 600) from None

    async def _new_connection(self) -> SMTP:
        server = self._server
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls,
            start_tls=server.starttls,
            tls_context=self._tls,
            local_hostname=self._greets_as,
            timeout=ANSWER,
        )
        await smtp.connect()
        try:
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()
        except BaseException:
            smtp.close()
            raise
        return smtp

    async def _announced(self) -> SMTP:
        """A connection on which a mail of our sender's has begun: a kept one, where one is left that still takes it."""
        while self._kept:
            smtp, timer = self._kept.pop()
            timer.cancel()
            with suppress(SMTPException, OSError):
                return await self._begin(smtp)
        return await self._begin(await self._new_connection())

    async def _begin(self, smtp: SMTP) -> SMTP:
        try:
            await smtp.mail(self._sender.address)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _keep(self, smtp: SMTP) -> None:
        def forget() -> None:
            self._kept.remove(kept)
            smtp.close()

        kept = (smtp, asyncio.get_running_loop().call_later(KEPT, forget))
        self._kept.append(kept)


def _explain(error: Exception) -> DeliveryFailed:
    """What went wrong, in words that quote nobody."""
    match error:
        case SMTPResponseException():
            return DeliveryFailed(f"{type(error).__name__}: {_codes(error)}")
        case SMTPServerDisconnected():
            return DeliveryFailed("the server hung up")
        case SMTPTimeoutError() | TimeoutError():
            return DeliveryFailed("the server took too long")
        case ssl.SSLError():
            return DeliveryFailed(f"no TLS: {error.reason or 'the handshake failed'}")
        case SMTPConnectError(__cause__=ssl.SSLError() as cause):
            return _explain(cause)
        case SMTPConnectError():
            return DeliveryFailed(f"no connection: {type(error.__cause__ or error).__name__}")
        case SMTPException():  # STARTTLS or AUTH is not among its extensions
            return DeliveryFailed("the server lacks what the SMTP URL asks for")
        case _:
            return DeliveryFailed(type(error).__name__)


def _codes(error: SMTPResponseException) -> str:
    """The reply code and, where there is one, the enhanced code: `550 5.1.1` (RFC 3463)."""
    enhanced = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)


def _host_name(host: str) -> str:
    """*host* as EHLO wants it: in ASCII, an address as a literal (RFC 5321 section 4.1.3)."""
    try:
        address = ip_address(host)
    except ValueError:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"

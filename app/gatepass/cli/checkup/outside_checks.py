"""What is seen from outside: the mail server, and this server by the URL that phones use."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from gatepass.adapters.clock import Clock
from gatepass.adapters.mail import DeliveryFailed
from gatepass.adapters.mail.mime import Sender
from gatepass.adapters.mail.smtp import SmtpPostman, SmtpServer
from gatepass.cli.checkup.database_checks import judge_skew
from gatepass.cli.checkup.findings import Finding, fail, ok, skipped, warn
from gatepass.cli.checkup.settings_checks import is_loopback
from gatepass.settings import Settings

PATIENCE = 8.0
"""Seconds for an answer."""
FORGED = "192.0.2.77"
"""An address that nobody has (RFC 5737): what a client would forge."""
SOON = timedelta(days=14)
_NEXT = {
    "no connection": "see that the host and port in GATEPASS_SMTP_URL are right and that a firewall lets this host out",
    "no TLS": "see the certificate, and ca= in GATEPASS_SMTP_URL for an authority of your own",
    "SMTPAuthenticationError": "correct user and password in GATEPASS_SMTP_URL, percent-encoded",
    "SMTPSenderRefused": "the server takes no mail from GATEPASS_MAIL_FROM: register that sender there",
    "the server lacks": "take another port, smtps://, or starttls=false where that is what you want",
}


async def mail(settings: Settings, clock: Clock) -> Finding:
    """Whether the mail server lets us in and takes mail from our sender."""
    if settings.smtp_url is None:
        return skipped("GATEPASS_SMTP_URL is not set")
    try:
        server, sender = SmtpServer.parse(settings.smtp_url.get_secret_value()), Sender.parse(settings.mail_from)
        greets_as = urlsplit(settings.public_url).hostname or "localhost"
        postman = SmtpPostman(server, sender, clock, greets_as=greets_as)
    except (ValueError, OSError) as error:
        return fail(
            str(error) if isinstance(error, ValueError) else "its ca= cannot be read", "correct GATEPASS_SMTP_URL"
        )
    try:
        encrypted = await postman.try_out()
    except DeliveryFailed as failure:
        said = str(failure)
        return fail(
            f"{server.host}:{server.port}: {said}",
            next((do for word, do in _NEXT.items() if said.startswith(word)), "ask its operator"),
        )
    if not encrypted and not is_loopback(server.host):
        return warn(f"{server.host} takes mail, and codes travel in the clear", "add starttls=true, or use smtps://")
    return ok(f"{server.host} takes mail from {sender.domain}{' over TLS' if encrypted else ''}")


async def mail_domain(settings: Settings) -> Finding:
    """Whether the sender's domain exists; mail from one that does not is spam."""
    if settings.smtp_url is None:
        return skipped("no mail leaves here")
    try:
        domain = Sender.parse(settings.mail_from).domain
    except ValueError as error:
        return fail(str(error), "correct it")
    try:
        await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo(domain, 25, type=socket.SOCK_STREAM), PATIENCE)
    except (socket.gaierror, UnicodeError):
        return warn(f"{domain} has no address", "see that it has an MX record, and SPF and DKIM for who sends for it")
    except TimeoutError:
        return skipped("the resolver did not answer")
    return ok(f"{domain} exists; SPF and DKIM are not looked at")


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of calling PUBLIC_URL/livez: the answer or the reason that there was none, and the certificate's end."""

    answer: httpx.Response | None
    problem: str
    expires: datetime | None = None


async def look(settings: Settings) -> Seen:
    """Call the server by its public URL."""
    try:
        async with _client() as http:
            expires: datetime | None = None
            async with http.stream("GET", f"{settings.public_url}/livez") as answer:
                stream: Any = answer.extensions.get("network_stream")
                tls = stream.get_extra_info("ssl_object") if stream is not None else None
                if tls is not None:
                    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"]), UTC)
                await answer.aread()
        return Seen(answer, "", expires)
    except httpx.HTTPError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
            cause = cause.__cause__ or cause.__context__
        return Seen(None, f"its certificate: {cause.verify_message}" if cause is not None else type(error).__name__)


def _client() -> httpx.AsyncClient:
    """It trusts what this host trusts, as phones trust what they do; no proxy of the environment is used."""
    return httpx.AsyncClient(timeout=PATIENCE, trust_env=False, verify=ssl.create_default_context())


def reached(seen: Seen, settings: Settings) -> Finding:
    """Whether that URL leads here."""
    url = f"{settings.public_url}/livez"
    if seen.answer is None:
        return fail(
            f"{url} does not answer: {seen.problem}", "see DNS, the proxy and its certificate, and that the server runs"
        )
    if seen.answer.is_redirect:
        return fail(
            f"{url} redirects, which no client follows",
            "set GATEPASS_PUBLIC_URL to where that leads, or serve it there",
        )
    try:
        is_ours = seen.answer.status_code == 200 and seen.answer.json() == {"status": "live"}
    except ValueError:
        is_ours = False
    if not is_ours:
        return fail(
            f"{url} is answered by something else ({seen.answer.status_code})",
            "see what the proxy hands on: the path of GATEPASS_PUBLIC_URL must be taken off on the way",
        )
    return ok(f"{url} leads here")


def certificate(seen: Seen, clock: Clock) -> Finding:
    """How long the certificate lasts."""
    if seen.expires is None:
        return skipped("no TLS was seen")
    left = seen.expires - datetime.fromtimestamp(clock.now() / 1000, UTC)
    if left < SOON:
        return warn(f"it ends in {left.days} days", "see that whatever renews it still runs")
    return ok(f"good for {left.days} days")


def clock_in_front(seen: Seen, clock: Clock) -> Finding:
    """Whether who answers has the same time."""
    if seen.answer is None or "date" not in seen.answer.headers:
        return skipped("no answer with a Date")
    try:
        there = parsedate_to_datetime(seen.answer.headers["date"])
    except ValueError:
        return warn("its Date cannot be read", "see what the proxy writes there")
    ms = int(there.timestamp() * 1000) + 500 - clock.now()  # a Date has whole seconds
    return judge_skew(ms, "who answers there")


async def proxy(settings: Settings) -> Finding:
    """Whether the proxies in front say who calls, are believed, and can be trusted."""
    token = settings.admin_token.get_secret_value() if settings.admin_token else ""
    if not token:
        return skipped("GATEPASS_ADMIN_TOKEN is not set, so the server cannot be asked how a call arrived")
    headers = {"authorization": f"Bearer {token}", "x-forwarded-for": FORGED}
    try:
        async with _client() as http:
            answer = await http.get(f"{settings.public_url}/admin/v1/connection", headers=headers)
            found = answer.raise_for_status().json()
            hops, peer = found["forwarded_for"], found["peer"]
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        return skipped("the server did not say how a call arrived; see the check of reached")
    if found["client_address"] == FORGED:
        return fail(
            "a client can choose its address: X-Forwarded-For is believed as it was sent",
            "let the proxy overwrite or append to it, and name only proxies in GATEPASS_TRUSTED_PROXIES",
        )
    if hops != [FORGED] and not found["peer_is_trusted"]:
        return fail(
            f"a proxy at {peer} forwards for others and is not trusted: all clients share its address",
            f"GATEPASS_TRUSTED_PROXIES={peer}",
        )
    scheme = urlsplit(settings.public_url).scheme
    if found["forwarded_proto"] not in (None, scheme):
        return warn(f"the proxy says {found['forwarded_proto']}, and GATEPASS_PUBLIC_URL {scheme}", "make them agree")
    if hops == [FORGED]:
        return ok(f"no proxy in between; we are {found['client_address']}")
    return ok(f"the proxy at {peer} is trusted; we are {found['client_address']}")

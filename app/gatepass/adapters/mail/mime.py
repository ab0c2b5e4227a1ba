"""A composed mail as the message that travels (RFC 5322, RFC 2045).

Of the standard library it takes the encodings, not the message: a `Message` and its generator cost four times as much.
"""

from __future__ import annotations

from binascii import b2a_qp
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache

from gatepass.adapters.mail.compose import Composed
from gatepass.core import addresses
from gatepass.core.errors import InputRefused
from gatepass.core.outbox import Claimed

_LETTERS = str.maketrans("0123456789", "ghijklmnop")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mails come from: the name people see, and the address."""

    name: str
    address: str

    @classmethod
    def parse(cls, text: str) -> Sender:
        """`Acme <no-reply@example.com>` or the bare address. Raises ValueError."""
        name, address = parseaddr(text)
        try:
            if not text.isprintable():
                raise InputRefused("mail_from")
            return cls(name, addresses.Address.parse(address, dotless=True).typed)
        except InputRefused:
            raise ValueError("GATEPASS_MAIL_FROM is written: Acme <no-reply@example.com>") from None

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def write(composed: Composed, claimed: Claimed, sender: Sender) -> bytes:
    """The message: plain text first, HTML second. Every try writes the same one, under the same Message-ID.

    Addresses are ASCII (core/addresses.py), so no server needs to know SMTPUTF8. Raises InputRefused for any other.
    """
    to = addresses.Address.parse(composed.to, dotless=True).typed
    boundary = f"=_{claimed.id.hex.translate(_LETTERS)}"
    head = {
        "From": _from(sender),
        "To": to,
        "Subject": _encoded("Subject", composed.subject),
        "Date": format_datetime(datetime.fromtimestamp(claimed.mail.dated_at // 1000, UTC)),
        "Message-ID": f"<{claimed.id}@{sender.domain}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Content-Language": composed.language,
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    return b"".join(
        (
            _lines(head),
            _part(boundary, "plain", composed.text),
            _part(boundary, "html", composed.html),
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )


def _part(boundary: str, kind: str, content: str) -> bytes:
    head = {"Content-Type": f'text/{kind}; charset="utf-8"', "Content-Transfer-Encoding": "quoted-printable"}
    body = b2a_qp(content.encode()).replace(b"\n", b"\r\n")
    return b"".join((f"\r\n--{boundary}\r\n".encode(), _lines(head), b"\r\n", body))


def _lines(head: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in head.items()).encode("ascii")


@lru_cache(maxsize=8)
def _from(sender: Sender) -> str:
    return _encoded("From", formataddr((sender.name, sender.address)))


def _encoded(name: str, value: str) -> str:
    """*value* in ASCII and folded (RFC 2047, RFC 5322 section 2.2.3)."""
    return Header(value, header_name=name).encode(linesep="\r\n")

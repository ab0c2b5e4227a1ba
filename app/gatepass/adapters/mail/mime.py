"""A composed mail as the message that travels (RFC 5322, RFC 2045)."""

from __future__ import annotations

from binascii import b2a_qp
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.message import Message
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr

from gatepass.adapters.mail.compose import Composed
from gatepass.core import addresses
from gatepass.core.errors import InputRefused
from gatepass.core.outbox import Claimed

_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_POLICY = compat32.clone(linesep="\r\n")
"""The older of the standard library's two: the newer one parses every header it is given, for a millisecond each mail."""


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


def write(composed: Composed, claimed: Claimed, sender: Sender) -> Message:
    """The message: plain text first, HTML second. Every try writes the same one, under the same Message-ID.

    Addresses are ASCII (core/addresses.py), so no server needs to know SMTPUTF8. Raises InputRefused for any other.
    """
    to = addresses.Address.parse(composed.to, dotless=True).typed
    boundary = f"=_{claimed.id.hex.translate(_LETTERS)}"
    message = Message(policy=_POLICY)
    message["From"] = formataddr((sender.name, sender.address))
    message["To"] = to
    message["Subject"] = Header(composed.subject, header_name="Subject").encode()
    message["Date"] = format_datetime(datetime.fromtimestamp(claimed.mail.dated_at // 1000, UTC))
    message["Message-ID"] = f"<{claimed.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Content-Language"] = composed.language
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = f'multipart/alternative; boundary="{boundary}"'
    message.set_payload([_part("plain", composed.text), _part("html", composed.html)])
    return message


def _part(kind: str, content: str) -> Message:
    part = Message(policy=_POLICY)
    part["Content-Type"] = f'text/{kind}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(b2a_qp(content.encode()).decode("ascii"))
    return part

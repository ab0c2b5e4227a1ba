"""A composed mail as the message that travels (RFC 5322, RFC 2045)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

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


def write(composed: Composed, claimed: Claimed, sender: Sender) -> EmailMessage:
    """The message: plain text first, HTML second. Every try writes the same one, under the same Message-ID.

    Addresses are ASCII (core/addresses.py), so no server needs to know SMTPUTF8. Raises InputRefused for any other.
    """
    to = addresses.Address.parse(composed.to, dotless=True).typed
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(sender.name, addr_spec=sender.address)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = composed.subject
    message["Date"] = datetime.fromtimestamp(claimed.mail.dated_at // 1000, UTC)
    message["Message-ID"] = f"<{claimed.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(composed.text, cte="quoted-printable")
    message.add_alternative(composed.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = composed.language  # last: what becomes multipart hands its Content-* to its part
    message.set_boundary(f"=_{claimed.id.hex.translate(_LETTERS)}")
    return message

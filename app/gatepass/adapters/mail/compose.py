"""What a mail says, in the reader's language (contract elixir, section 10)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatepass.core.outbox import Claimed


@dataclass(frozen=True, slots=True)
class Composed:
    """One mail, ready to leave or to be kept."""

    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    language: str


def compose(claimed: Claimed, *, code_in_subject: bool = True) -> Composed:
    """The mail with the code."""
    mail = claimed.mail
    return Composed(
        mail.to,
        f"{mail.code} is your {mail.application} sign-in code",
        f"Code: {mail.code}",
        f"<p>Code: {mail.code}</p>",
        "en",
    )

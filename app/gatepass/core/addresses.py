"""E-mail addresses: one canonical form for identity, one for counting.

The accepted syntax is the unquoted, ASCII-local subset of RFC 5321 section 4.1.2. Nothing is folded by look-alike:
U+212A KELVIN SIGN is refused, not read as K.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import idna

from gatepass.core.errors import InputRefused

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class Address:
    """*typed* is where mail goes; *identity* names the account; *counted* is what budgets count (section 10)."""

    typed: str
    identity: str
    counted: str

    @classmethod
    def parse(cls, unverified: str, *, dotless: bool = False) -> Address:
        """Read one address. *dotless* also allows a domain without a dot, for development.

        Raises InputRefused("email").
        """
        typed = unverified.strip(" \t\r\n")
        local, at, domain = typed.rpartition("@")
        if not (at and 3 <= len(typed) <= 254 and len(local) <= 64 and _LOCAL.fullmatch(local)):
            raise InputRefused("email")
        ascii_domain = _ascii_domain(domain)
        labels = ascii_domain.split(".")
        if len(labels) < 2 and not dotless:
            raise InputRefused("email", "has a domain without a dot")
        if not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
            raise InputRefused("email")
        identity = f"{local.lower()}@{ascii_domain}"
        if len(identity) > 254:
            raise InputRefused("email")
        counted = f"{local.lower().split('+', 1)[0].replace('.', '')}@{ascii_domain}"
        return cls(f"{local}@{domain if domain.isascii() else ascii_domain}", identity, counted)


def _lower(character: str) -> str:
    """Lower case within ASCII or within the rest, never from one into the other (U+212A would become k)."""
    lower = character.lower()
    return lower if lower.isascii() == character.isascii() else character


def _ascii_domain(domain: str) -> str:
    lowered = "".join(map(_lower, domain))
    if lowered.isascii():
        return lowered
    try:
        return idna.encode(lowered, uts46=False).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise InputRefused("email", "has a domain that IDNA 2008 does not know") from error

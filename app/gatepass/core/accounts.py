"""How long the members of an account may be, whoever sets them: a dialect, an operator, an import."""

from __future__ import annotations

from collections.abc import Mapping

from gatepass.core.errors import InputRefused
from gatepass.core.languages import TAG

LONGEST = {"client_user_id": 512, "nickname": 64, "picture": 2048, "language": 35}
"""Characters."""
MOST = 100
"""Roles, or wallets, of one account."""
LONGEST_OF_MANY = {"roles": 64, "wallets": 256}
"""Characters of one."""
_NEVER_EMPTY = ("client_user_id", "nickname")


def check(members: Mapping[str, object]) -> None:
    """See that *members* can be stored; None is no value, other members have no length. Raises InputRefused."""
    for name, longest in LONGEST.items():
        if (value := members.get(name)) is not None and not _fits(value, longest, 1 if name in _NEVER_EMPTY else 0):
            raise InputRefused(name, f"has {'1 to' if name in _NEVER_EMPTY else 'at most'} {longest} characters")
    if (tag := members.get("language")) is not None and not TAG.fullmatch(str(tag)):
        raise InputRefused("language", "is a tag of BCP 47, like pt-BR")
    for name, longest in LONGEST_OF_MANY.items():
        values = members.get(name)
        if values is not None and not (
            isinstance(values, list | tuple) and len(values) <= MOST and all(_fits(value, longest) for value in values)
        ):
            raise InputRefused(name, f"has at most {MOST} entries of at most {longest} characters")


def _fits(value: object, longest: int, shortest: int = 0) -> bool:
    return isinstance(value, str) and shortest <= len(value) <= longest and "\0" not in value

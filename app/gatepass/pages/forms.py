"""Reading what a form sends, by hand: size, origin and token first, then the fields (decision 0009).

A field is one line of text unless it says otherwise; anything else is refused with the field's name, never its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from gatepass.core.errors import InputRefused
from gatepass.wiring import read_body

LIMIT = 64 * 1024
"""Bytes that a form may have."""
_MOST_FIELDS = 100


class Form(Mapping[str, str]):
    """The fields of one form; of a name that came twice, the last."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = dict(fields)

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def text(self, name: str, *, most: int = 200) -> str:
        """One line, without blanks around it; empty when left out. Raises InputRefused."""
        value = self._fields.get(name, "").strip()
        if len(value) > most or not value.isprintable():
            raise InputRefused(name, f"is one line of at most {most} printable characters")
        return value

    def secret(self, name: str) -> str:
        """As typed, blanks and all. Raises InputRefused for what no keyboard types."""
        value = self._fields.get(name, "")
        if "\0" in value:
            raise InputRefused(name, "has a character that cannot be typed")
        return value

    def checked(self, name: str) -> bool:
        """Whether a checkbox is ticked."""
        return name in self._fields

    def choice(self, name: str, *among: str) -> str:
        """One of *among*. Raises InputRefused for anything else."""
        value = self._fields.get(name, "")
        if value not in among:
            raise InputRefused(name, f"is one of {', '.join(among)}")
        return value

    def number(self, name: str, low: int, high: int) -> int | None:
        """A whole number from *low* to *high*; None when left empty. Raises InputRefused."""
        value = self._fields.get(name, "").strip()
        if not value:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and low <= int(value) <= high):
            raise InputRefused(name, f"is a whole number from {low} to {high}")
        return int(value)


async def read(request: Request) -> Form:
    """The fields that came with *request*. Raises PayloadTooLarge, InputRefused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request, LIMIT)
    if kind != "application/x-www-form-urlencoded" and body:
        raise InputRefused("", "is no form")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise InputRefused("", "is no form that can be read") from None
    return Form(dict(pairs))

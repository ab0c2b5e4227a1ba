"""A team's colour, and the shades of it that people can read (WCAG 2.2, success criterion 1.4.3).

A team chooses one colour, however light or dark. What is shown is that colour moved towards black or white just far
enough, so that no choice makes a page unreadable, by day or by night.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatepass.core.errors import InputRefused

WHITE = "#ffffff"
BLACK = "#000000"
NIGHT = "#242d38"
"""The lightest ground that a page in the dark puts words on."""
DAY = "#e9edf2"
"""The darkest ground that a page by day puts words on."""
READABLE = 4.5
"""The least contrast of words with their ground (WCAG 2.2, 1.4.3 level AA)."""

_COLOUR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})")
_STEPS = 64


def parse(unverified: str) -> str:
    """`#1a7f4b`, from that or `#1A7` in either case. Raises InputRefused("colour")."""
    colour = unverified.strip().lower()
    if not _COLOUR.fullmatch(colour):
        raise InputRefused("colour", "is written like #1a7f4b")
    return colour if len(colour) == 7 else "#" + "".join(digit * 2 for digit in colour[1:])


def contrast(one: str, other: str) -> float:
    """From 1, the same, to 21, black on white (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@dataclass(frozen=True, slots=True)
class Shades:
    """A colour in one theme: *text* on the grounds of it, *fill* behind *on_fill*, *strong* under the pointer."""

    text: str
    fill: str
    on_fill: str
    strong: str


def by_day(colour: str) -> Shades:
    """How *colour* is shown on light pages."""
    return _shades(colour, DAY, BLACK)


def by_night(colour: str) -> Shades:
    """How *colour* is shown on dark pages."""
    return _shades(colour, NIGHT, WHITE)


def _shades(colour: str, ground: str, away: str) -> Shades:
    on_fill = max((WHITE, BLACK), key=lambda ink: contrast(colour, ink))
    against = BLACK if on_fill == WHITE else WHITE
    fill = _moved(colour, against, on_fill)
    return Shades(
        text=_moved(colour, away, ground),
        fill=fill,
        on_fill=on_fill,
        strong=_mixed(fill, against, 0.15),
    )


def _moved(colour: str, towards: str, ground: str) -> str:
    """*colour*, as little closer to *towards* as it takes to be read on *ground*."""
    for step in range(_STEPS + 1):
        if contrast(moved := _mixed(colour, towards, step / _STEPS), ground) >= READABLE:
            return moved
    return towards


def _mixed(colour: str, other: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    shares = (channel / 255 for channel in _channels(colour))
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

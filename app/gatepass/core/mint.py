"""The one source of chance: ids, secrets, digits.

Everything random passes through a `Mint`, so that a seeded world repeats itself; nothing else in the core may draw.
"""

from __future__ import annotations

import random
from uuid import UUID

ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# A byte stands for the character that it goes round to; those of the last round, which is not whole, stand for none.
_UNEVEN = bytes(range(256 - 256 % len(ALPHANUMERIC), 256))
_TO_ALPHANUMERIC = bytes(ord(ALPHANUMERIC[byte % len(ALPHANUMERIC)]) for byte in range(256))


class Mint:
    """Draws from *source*; by default the operating system's entropy."""

    def __init__(self, source: random.Random | None = None) -> None:
        self._source = source or random.SystemRandom()
        self._latest = (0, 0)

    def bytes(self, length: int) -> bytes:
        """*length* random bytes."""
        return self._source.randbytes(length)

    def uuid4(self) -> UUID:
        """A random id, for ids handed to strangers (RFC 9562 section 5.4)."""
        return UUID(bytes=self.bytes(16), version=4)

    def uuid7(self, now: int) -> UUID:
        """A time-ordered id from *now* (ms), which keeps writes to its index local (RFC 9562 section 5.7).

        Ids of one instant are ordered too, up to 4 096 of them: a counter stands behind the time (section 6.2).
        """
        instant, count = self._latest
        count = min(count + 1, 0xFFF) if now == instant else 0
        self._latest = now, count
        chance = int.from_bytes(self.bytes(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
        return UUID(int=(now & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | count << 64 | 0x2 << 62 | chance)

    def digits(self, length: int) -> str:
        """*length* decimal digits, each equally likely, leading zeros kept."""
        return f"{self._source.randrange(10**length):0{length}d}"

    def alphanumeric(self, length: int) -> str:
        """*length* characters of `[A-Za-z0-9]`, each equally likely: 5.95 bits."""
        if not isinstance(self._source, random.SystemRandom):  # one draw each: the worlds of a seed are known by heart
            return "".join(self._source.choices(ALPHANUMERIC, k=length))
        drawn = b""
        while len(drawn) < length:
            drawn += self.bytes(2 * length).translate(_TO_ALPHANUMERIC, _UNEVEN)
        return drawn[:length].decode()

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return self._source.random()

"""Refresh tokens: a session id, a generation and a MAC over both. Nothing about them is stored.

    36 bytes = session id (16) ‖ generation (4, big-endian) ‖ HMAC-SHA256(session id ‖ generation)[:16]

So the successor of a generation is always the same string, a database dump holds no usable token, and a session stays
one row for life. Two spellings of the same bytes: lowercase hex (Elixir), and `jrt_` + base64url (Junction, OAuth).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from uuid import UUID

from gatepass.core.errors import RefreshTokenMalformed
from gatepass.core.server_secret import ServerSecret

_PURPOSE = "refresh-token"
_BODY = 20
_MAC = 16
_HEX = re.compile(r"[0-9a-f]{72}")
_JRT = re.compile(r"jrt_[A-Za-z0-9_-]{48}")
MAX_GENERATION = 2**32 - 2


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """An authentic token: which session, which generation of it."""

    session_id: UUID
    generation: int

    def _bytes(self, secret: ServerSecret) -> bytes:
        body = self.session_id.bytes + self.generation.to_bytes(4, "big")
        return body + secret.mac(_PURPOSE, body)[:_MAC]

    def hex(self, secret: ServerSecret) -> str:
        """72 lowercase hex digits (contract elixir, section 4.3)."""
        return self._bytes(secret).hex()

    def jrt(self, secret: ServerSecret) -> str:
        """`jrt_` and 48 base64url characters (contract junction, E3)."""
        return "jrt_" + base64.urlsafe_b64encode(self._bytes(secret)).decode()


def parse(secret: ServerSecret, presented: object) -> RefreshToken:
    """The token in *presented*, whichever way it is spelled, once its MAC is verified.

    Raises RefreshTokenMalformed for anything that no server holding one of the listed secrets ever issued.
    """
    if not isinstance(presented, str):
        raise RefreshTokenMalformed("not a string")
    if len(presented) == 72 and _HEX.fullmatch(presented):
        raw = bytes.fromhex(presented)
    elif _JRT.fullmatch(presented):
        raw = base64.urlsafe_b64decode(presented[4:])
    else:
        raise RefreshTokenMalformed("not a spelling of ours")
    body, mac = raw[:_BODY], raw[_BODY:]
    if not secret.verifies(_PURPOSE, body, mac):
        raise RefreshTokenMalformed("the MAC does not match")
    return RefreshToken(UUID(bytes=body[:16]), int.from_bytes(body[16:], "big"))

"""The signed list of revocations in memory: asked of the database at most once a second, signed anew when it changed.

However many verifiers poll, each process reads a bounded list once a second (core/revocations.py), and hands out the
same bytes until somebody dies, an entry leaves the list, the signing key changes, or a minute has passed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass

from gatepass.adapters.clock import Clock
from gatepass.adapters.keyring import Keyring, Run
from gatepass.core import revocations
from gatepass.core.revocations import Revocations
from gatepass.core.schema import MINUTE, SECOND
from gatepass.core.signing_keys import Ring, SigningKey
from gatepass.core.unit import Policy

FRESH = SECOND


@dataclass(frozen=True, slots=True)
class Signed:
    """The list as a JWT. *etag* is weak: two processes sign the same list in different bytes."""

    token: str
    etag: str
    read_at: int


class RevocationFeed:
    """The list of one process."""

    def __init__(self, read: Run, keyring: Keyring, policy: Policy, clock: Clock) -> None:
        self._read, self._keyring, self._policy, self._clock = read, keyring, policy, clock
        self._signed: Signed | None = None
        self._reading = asyncio.Lock()

    async def current(self) -> Signed:
        """The list, at most a second old. Raises Unavailable."""
        async with self._reading:
            now = self._clock.now()
            signed = self._signed
            if signed is None or not 0 <= now - signed.read_at < FRESH:
                key = await self._keyring.signer(Ring.ACCESS)
                found: Revocations = await self._read(revocations.recent)
                etag = _etag(found, key, now)
                same = signed is not None and signed.etag == etag
                token = signed.token if same and signed else revocations.sign(self._policy, found, key, now)
                signed = self._signed = Signed(token, etag, now)
            return signed

    def forget(self) -> None:
        """Read and sign the list again at the next call."""
        self._signed = None


def _etag(found: Revocations, key: SigningKey, now: int) -> str:
    """Names the content: who died, who signs, the minute, and since when where the list is cut off."""
    content = json.dumps(
        [revocations.content_of(found), key.kid, now // MINUTE, None if found.complete else found.since]
    )
    return f'W/"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'

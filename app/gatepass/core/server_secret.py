"""The server's secret and every key derived from it.

Several secrets may be listed: the first one signs and seals, all of them verify and open, so a secret is rotated
through a rolling deployment as `old,new` then `new,old` then `new`, and nobody is signed out (design, section 3).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import cache, lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

MINIMUM_BYTES = 32
SHORTEST_MAC = 16


class ServerSecret:
    """Derives one independent key per *purpose* from each listed secret."""

    def __init__(self, *listed: str) -> None:
        if not listed or any(len(text.encode()) < MINIMUM_BYTES for text in listed):
            raise ValueError(f"a server secret has at least {MINIMUM_BYTES} bytes")
        self._listed = tuple(text.encode() for text in listed)
        self.keys = cache(self._keys)
        self._macs = cache(self._prepared_macs)
        self.team_keys = lru_cache(maxsize=10_000)(self._team_keys)
        self._fernet = cache(self._make_fernet)

    def __repr__(self) -> str:
        return f"ServerSecret({len(self._listed)} listed)"

    def _keys(self, purpose: str) -> tuple[bytes, ...]:
        label = b"gatepass:" + purpose.encode()
        return tuple(hmac.digest(secret, label, "sha256") for secret in self._listed)

    def mac(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA256 of *message* under the first secret's key for *purpose*: 32 bytes."""
        return mac(self._macs(purpose)[0], message)

    def verifies(self, purpose: str, message: bytes, presented: bytes) -> bool:
        """Whether *presented* begins the MAC of *message* under any listed secret. Constant time per secret.

        A beginning shorter than 16 bytes proves nothing, and the empty one begins every MAC.
        """
        size = len(presented)
        if size < SHORTEST_MAC:
            return False
        proofs = [mac(prepared, message)[:size] for prepared in self._macs(purpose)]
        return any(hmac.compare_digest(proof, presented) for proof in proofs)

    def _prepared_macs(self, purpose: str) -> tuple[HMAC, ...]:
        return tuple(HMAC(key, hashes.SHA256()) for key in self.keys(purpose))

    def _team_keys(self, purpose: str, team: bytes) -> tuple[bytes, ...]:
        """A 64-byte key per listed secret for one team, as HS512 wants it (RFC 7518 section 3.2)."""
        return tuple(hmac.digest(key, team, "sha512") for key in self.keys(purpose))

    def _make_fernet(self, purpose: str) -> MultiFernet:
        return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in self.keys(purpose)])

    def seal(self, purpose: str, plain: bytes) -> bytes:
        """Encrypt and authenticate *plain* for rest."""
        return self._fernet(purpose).encrypt(plain)

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """What `seal` was given. Raises `SealBroken` when no listed secret opens it."""
        try:
            return self._fernet(purpose).decrypt(sealed)
        except InvalidToken as error:
            raise SealBroken(purpose) from error

    @property
    def is_changing(self) -> bool:
        """Whether an earlier or later secret is listed besides the first."""
        return len(self._listed) > 1

    def reseal(self, purpose: str, sealed: bytes) -> bytes | None:
        """The same sealed under the first secret; None where it is already. Raises `SealBroken`."""
        plain = self.open(purpose, sealed)
        try:
            Fernet(base64.urlsafe_b64encode(self.keys(purpose)[0])).decrypt(sealed)
        except InvalidToken:
            return self.seal(purpose, plain)
        return None


class SealBroken(Exception):
    """Nothing listed in `GATEPASS_SECRET_KEY` opens what an earlier secret sealed."""


def mac(prepared: HMAC, message: bytes) -> bytes:
    """The MAC of *message*. A key that was prepared once spares two thirds of what `hmac.digest` costs."""
    own = prepared.copy()
    own.update(message)
    return own.finalize()


def sha256(text: str) -> bytes:
    """The digest under which a high-entropy secret is stored: 32 bytes."""
    return hashlib.sha256(text.encode()).digest()

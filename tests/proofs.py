"""A phone that holds a key and proves it (RFC 9449), made with PyJWT alone, as a client would."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from gatepass.adapters.clock import Clock

_numbers = count(1)


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Prover:
    """A key, by default a fresh P-256 one, and the clock that its proofs are dated with."""

    clock: Clock
    private: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    algorithm: str = "ES256"

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half, without the members that say what it may be used for."""
        jwk = json.loads(jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key()))
        return {name: jwk[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in jwk}

    @property
    def jkt(self) -> str:
        """RFC 7638: the digest of the required members in their order."""
        return base64url(hashlib.sha256(json.dumps(self.jwk, sort_keys=True, separators=(",", ":")).encode()).digest())

    def prove(
        self,
        method: str,
        url: str,
        *,
        access_token: str | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A proof for one request; *header* and *claims* change what a good one would have, None takes a claim away."""
        good: dict[str, Any] = {
            "jti": f"proof-{next(_numbers)}",
            "htm": method,
            "htu": url,
            "iat": self.clock.now() // 1000,
        }
        if access_token is not None:
            good["ath"] = base64url(hashlib.sha256(access_token.encode()).digest())
        members = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(
            members, self.private, self.algorithm, headers={"typ": "dpop+jwt", "jwk": self.jwk, **(header or {})}
        )

"""DPoP: a proof that the caller holds the key a session is bound to (RFC 9449).

A bound session's tokens are worth nothing without its key, so its refresh token need not rotate. A proof is a JWT that
carries its own public key; it is good for one request, once: its digest is kept until it could no longer be fresh.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import jwt
from sqlalchemy import BigInteger, Column, LargeBinary, Named, Table, TypedColumns

from gatepass.core import jws
from gatepass.core.errors import DpopRefused
from gatepass.core.schema import MINUTE, SECOND, metadata, upsert
from gatepass.core.server_secret import sha256
from gatepass.core.unit import Unit

ALGORITHMS = ("ES256", "RS256", "EdDSA")
FRESH = MINUTE
"""How far a proof's `iat` may lie from our clock, either way, in ms."""
_THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class _ProofColumns(TypedColumns):
    digest: Named[bytes] = Column(LargeBinary(32), primary_key=True)
    expires_at: Named[int] = Column(BigInteger, index=True)


dpop_proofs = Table("dpop_proofs", metadata, _ProofColumns)


@dataclass(frozen=True, slots=True)
class Request:
    """What a proof must speak of: the request's *method* and its *url* as configured, without query."""

    proof: str
    method: str
    url: str


async def prove(unit: Unit, request: Request, *, access_token: str | None = None) -> str:
    """The thumbprint (`jkt`, RFC 7638) of the key that signed a good, fresh, unused proof for this request.

    *access_token* given: the proof must be about that token (`ath`). Raises DpopRefused (RFC 9449 section 4.3).
    """
    try:
        header = jws.header_of(request.proof)
        algorithm, jwk = header.get("alg"), header.get("jwk")
        if header.get("typ") != "dpop+jwt" or algorithm not in ALGORITHMS or not isinstance(jwk, dict):
            raise DpopRefused("header")
        if header.keys() - {"typ", "alg", "jwk"} or _PRIVATE_MEMBERS & jwk.keys():
            raise DpopRefused("a header member that a proof has no use for")
        claims = jws.decode(request.proof, _public_key(jwk, algorithm), algorithm)
    except jws.NotOurs as error:
        raise DpopRefused(str(error)) from error
    jti, issued_at = claims.get("jti"), claims.get("iat")
    if not (isinstance(jti, str) and 1 <= len(jti) <= 512) or type(issued_at) is not int:
        raise DpopRefused("jti or iat")
    if claims.get("htm") != request.method or claims.get("htu") != request.url:
        raise DpopRefused("made for another request")
    if abs(unit.now - issued_at * SECOND) > FRESH:
        raise DpopRefused("not fresh")
    if access_token is not None and claims.get("ath") != _ath(access_token):
        raise DpopRefused("made for another access token")
    thumbprint = _thumbprint(jwk)
    await _spend(unit, thumbprint, jti, issued_at)
    return thumbprint


async def require(unit: Unit, jkt: str | None, proof: Request | None, *, access_token: str | None = None) -> None:
    """See that whoever uses something bound to *jkt* holds that key; unbound things need nothing. Raises DpopRefused."""
    if jkt is None:
        return
    if proof is None:
        raise DpopRefused("a bound token came without a proof")
    if await prove(unit, proof, access_token=access_token) != jkt:
        raise DpopRefused("bound to another key")


async def _spend(unit: Unit, thumbprint: str, jti: str, issued_at: int) -> None:
    """Use the proof up, atomically. Raises DpopRefused for one seen before."""
    spent = await unit.db.execute(
        upsert(unit.db, dpop_proofs)
        .values(digest=sha256(f"{thumbprint}|{jti}"), expires_at=issued_at * SECOND + 2 * FRESH)
        .on_conflict_do_nothing()
        .returning(dpop_proofs.c.digest)
    )
    if spent.one_or_none() is None:
        raise DpopRefused("used before")


def _public_key(jwk: dict[str, Any], algorithm: str) -> Any:
    try:
        key = jwt.PyJWK.from_dict(jwk, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise DpopRefused("no public key") from error
    if jwk.get("kty") == "RSA" and getattr(key.key, "key_size", 0) not in range(2048, 8193):
        raise DpopRefused("an RSA key of that size")
    return key.key


def _thumbprint(jwk: dict[str, Any]) -> str:
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    return _encode(hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest())


def _ath(access_token: str) -> str:
    return _encode(hashlib.sha256(access_token.encode()).digest())


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

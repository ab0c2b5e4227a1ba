"""DPoP: a proof that the caller holds the key a session is bound to (RFC 9449).

A bound session's tokens are worth nothing without its key, so its refresh token need not rotate. A proof is a JWT that
carries its own public key; it is good for one request, once: its digest is kept until it could no longer be fresh.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

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
_JTI = re.compile(r"[\x20-\x7e]{1,512}")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_DEFAULT_PORTS = {"http": 80, "https": 443}
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
        if "crit" in header or _PRIVATE_MEMBERS & jwk.keys():
            raise DpopRefused("an extension, or a private key")
        claims = jws.decode(request.proof, _public_key(jwk, algorithm), algorithm)
    except jws.NotOurs as error:
        raise DpopRefused(str(error)) from error
    jti, issued_at = claims.get("jti"), claims.get("iat")
    if not (isinstance(jti, str) and _JTI.fullmatch(jti)) or type(issued_at) is not int:
        raise DpopRefused("jti or iat")
    if claims.get("htm") != request.method or not same_url(claims.get("htu"), request.url):
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


def same_url(presented: object, ours: str) -> bool:
    """Whether `htu` names our URL once both are normalised (RFC 9449 section 4.3; RFC 3986 sections 6.2.2 and 6.2.3).

    Query and fragment do not count; nor does one trailing slash, which no path here minds.
    """
    return isinstance(presented, str) and (found := _normalised(presented)) is not None and found == _normalised(ours)


def _normalised(url: str) -> tuple[str, str, int | None, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.username is not None or not parts.hostname:
        return None
    return (
        parts.scheme,
        parts.hostname,
        port or _DEFAULT_PORTS.get(parts.scheme),
        _ESCAPED.sub(_unescaped, parts.path).removesuffix("/"),
    )


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()


def _public_key(jwk: dict[str, Any], algorithm: str) -> Any:
    try:
        key = jwt.PyJWK.from_dict(jwk, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise DpopRefused("no public key") from error
    if jwk["kty"] == "RSA" and getattr(key.key, "key_size", 0) not in range(2048, 4097):
        raise DpopRefused("an RSA key of that size")
    return key.key


def _thumbprint(jwk: dict[str, Any]) -> str:
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    return _encode(hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest())


def _ath(access_token: str) -> str:
    return _encode(hashlib.sha256(access_token.encode()).digest())


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

"""Signed tokens, read strictly.

PyJWT verifies the signature and nothing else: it accepts any `typ`, a missing `exp`, an appended `==`, members of any
type. Here a token has the compact form of RFC 7515 section 7.1 to the letter, a header that names exactly the algorithm,
type and key that its reader expects, and claims of the types that its writer wrote. Nothing in a token can choose how it
is verified: `jwk`, `jku`, `x5u` and `crit` headers make it a stranger's (RFC 8725 section 3).

JSON is read and written by pydantic_core, for a sixth of what json takes; a token is both for most requests.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC
from jwt.types import Options
from pydantic_core import from_json, to_json

from gatepass.core.server_secret import mac

_COMPACT = re.compile(r"[A-Za-z0-9_-]{2,2048}\.[A-Za-z0-9_-]{2,8192}\.[A-Za-z0-9_-]{2,1024}")
_SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class NotOurs(Exception):
    """The token is not one that the expected keys signed in the expected form."""


def header_of(presented: object) -> dict[str, Any]:
    """The header, still unverified. Raises NotOurs for anything not in compact form."""
    if not isinstance(presented, str) or not _COMPACT.fullmatch(presented):
        raise NotOurs("not in compact form")
    return dict(_header_in(presented[: presented.index(".")]))


@lru_cache(maxsize=1024)
def _header_in(segment: str) -> dict[str, Any]:
    """The JSON object in a first segment; the few that we write come again and again."""
    try:
        header = json.loads(_decode(segment.encode("ascii")))
    except (ValueError, RecursionError) as error:
        raise NotOurs("no header") from error
    if not isinstance(header, dict):
        raise NotOurs("no header")
    return header


def unverified_claims(presented: str) -> dict[str, Any]:
    """The claims of a token in compact form that nobody has verified yet: only good for finding the key to verify it
    with. Raises NotOurs.
    """
    return _claims_in(presented.encode("ascii").split(b".", 2)[1])


def _claims_in(segment: bytes) -> dict[str, Any]:
    """The JSON object in a second segment. Raises NotOurs."""
    try:
        claims = _read(_decode(segment))
    except (ValueError, RecursionError) as error:
        raise NotOurs("no claims") from error
    if not isinstance(claims, dict):
        raise NotOurs("no claims")
    return claims


def is_signed_rs256(presented: str, key: Any) -> bool:
    """Whether *key* signed the token in compact form (RFC 7518 section 3.3)."""
    signed, _, signature = presented.encode("ascii").rpartition(b".")
    try:
        key.verify(_decode(signature), signed, _PKCS1, _SHA256)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify(
    presented: object,
    keys: Mapping[str, Any],
    *,
    algorithm: str,
    typ: str,
    claims: Mapping[str, type],
) -> dict[str, Any]:
    """The claims of a token signed by one of *keys* (kid to key), each of *claims* present and of exactly its type.

    Raises NotOurs.
    """
    header = header_of(presented)
    kid = header.get("kid")
    if header != {"alg": algorithm, "typ": typ, "kid": kid} or not isinstance(kid, str) or kid not in keys:
        raise NotOurs("not a header of ours")
    verified = _decode_often(str(presented), keys[kid], algorithm)
    for name, kind in claims.items():
        if type(verified.get(name)) is not kind:
            raise NotOurs(f"claim {name}")
    return verified


def decode(presented: str, key: Any, algorithm: str) -> dict[str, Any]:
    """The claims once *key* has verified the signature; the caller has checked the form. Raises NotOurs."""
    if algorithm == "HS512":
        return _decode_hs512(presented, key)
    try:
        claims: dict[str, Any] = jwt.decode(presented, key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise NotOurs("signature or claims") from error
    return claims


def _decode_often(presented: str, key: Any, algorithm: str) -> dict[str, Any]:
    """As `decode`, for tokens that come again and again: which key signed one never changes, and is found out once.

    Only that is remembered, by the token's digest; its claims are read each time. Raises NotOurs.
    """
    if algorithm == "HS512":  # costs less than remembering it
        return _decode_hs512(presented, key)
    text = presented.encode("ascii")
    digest = hashlib.sha256(text).digest()
    if _signers.get(digest) == (algorithm, key):
        return _claims_in(text.split(b".", 2)[1])
    claims = decode(presented, key, algorithm)
    if len(_signers) >= _MOST_SIGNERS:
        del _signers[next(iter(_signers))]  # the oldest
    _signers[digest] = algorithm, key
    return claims


_MOST_SIGNERS = 10_000
_signers: dict[bytes, tuple[str, Any]] = {}


def _decode_hs512(presented: str, key: bytes) -> dict[str, Any]:
    """The same for the algorithm of every Elixir call, where PyJWT's preparations cost ten times the MAC."""
    signed, _, signature = presented.encode("ascii").rpartition(b".")
    if not hmac.compare_digest(_encode(_hs512(key, signed)), signature):
        raise NotOurs("signature")
    return _claims_in(signed.partition(b".")[2])


def sign(claims: dict[str, Any], key: Any, *, algorithm: str, typ: str, kid: str) -> str:
    """A token that `verify` accepts (RFC 7515 section 5.1).

    Done by hand because it is done for every refresh: PyJWT spends ten times the signature on preparing it.
    """
    signed = _header(algorithm, typ, kid) + b"." + _encode(to_json(claims))
    return (signed + b"." + _encode(_SIGNATURES[algorithm](key, signed))).decode("ascii")


@lru_cache(maxsize=1024)
def _header(algorithm: str, typ: str, kid: str) -> bytes:
    return _encode(json.dumps({"alg": algorithm, "kid": kid, "typ": typ}, separators=(",", ":")).encode())


_read = partial(from_json, allow_inf_nan=False, cache_strings="keys")


def _encode(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL_SAFE, b"=")


def _decode(segment: bytes) -> bytes:
    return binascii.a2b_base64(segment.translate(_FROM_URL_SAFE) + b"=" * (-len(segment) % 4))


_TO_URL_SAFE, _FROM_URL_SAFE = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def _hs512(key: bytes, signed: bytes) -> bytes:
    return mac(_prepared(key), signed)


@lru_cache(maxsize=10_000)
def _prepared(key: bytes) -> HMAC:
    return HMAC(key, hashes.SHA512())


def _es256(key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    """The two numbers of the signature, 32 bytes each (RFC 7518 section 3.4)."""
    r, s = decode_dss_signature(key.sign(signed, _ECDSA))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


_SHA256, _PKCS1 = hashes.SHA256(), padding.PKCS1v15()
_ECDSA = ec.ECDSA(_SHA256)
_SIGNATURES: dict[str, Callable[[Any, bytes], bytes]] = {
    "HS512": _hs512,
    "ES256": _es256,
    "RS256": lambda key, signed: key.sign(signed, _PKCS1, _SHA256),
}

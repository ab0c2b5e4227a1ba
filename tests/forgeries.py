"""Tokens that nobody with the right key ever signed, or signed for this place: made by hand, since libraries refuse to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proofs import base64url


def _decode(segment: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return decoded


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of *token*, unverified."""
    header, claims, _ = token.split(".")
    return _decode(header), _decode(claims)


def _unsigned(header: dict[str, Any], claims: object) -> str:
    return ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))


def signed(header: dict[str, Any], claims: object, key: Any) -> str:
    """Any header and any claims under *key*: bytes mean HMAC-SHA256."""
    text = _unsigned(header, claims)
    if isinstance(key, bytes):
        return f"{text}.{base64url(hmac.digest(key, text.encode(), 'sha256'))}"
    algorithm = jwt.get_algorithm_by_name("RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256")
    return f"{text}.{base64url(algorithm.sign(text.encode(), key))}"


def with_a_foreign_key(token: str) -> Iterator[tuple[str, str]]:
    """What an attacker can make of *token* who knows every public key and no private one."""
    header, claims = parts_of(token)
    body, signature = token.rsplit(".", 1)
    is_rsa = header["alg"] == "RS256"
    foreign: Any = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.get_algorithm_by_name(header["alg"]).to_jwk(foreign.public_key()))

    for none in ("none", "None", "NONE", ""):
        for end in ("", ".", f".{signature}"):
            yield f"alg {none!r}, ending {end[:2]!r}", f"{_unsigned({**header, 'alg': none}, claims)}{end}"
    yield "a key of the forger's", signed(header, claims, foreign)
    yield "the forger's key in jwk", signed({**header, "jwk": jwk}, claims, foreign)
    yield "the forger's key behind jku", signed({**header, "jku": "https://evil.example/jwks.json"}, claims, foreign)
    yield "the forger's key behind x5u", signed({**header, "x5u": "https://evil.example/cert.pem"}, claims, foreign)
    yield "the forger's key in x5c", signed({**header, "x5c": ["AAAA"]}, claims, foreign)
    for kid in ("../../../../dev/null", "' OR 1=1 --", "", "0", None, 0, ["a"], {"a": 1}):
        yield f"kid {kid!r}", signed({**header, "kid": kid}, claims, foreign)
    yield "no kid", signed({name: value for name, value in header.items() if name != "kid"}, claims, foreign)
    yield (
        "an empty key's HMAC behind a path as kid",
        signed({**header, "alg": "HS256", "kid": "/dev/null"}, claims, b""),
    )
    yield "another's signature", f"{_unsigned(header, {**claims, 'sub': '0' * 8})}.{signature}"
    yield "no signature", f"{body}."
    yield "two segments", body
    yield "a signature of zeros", f"{body}.{base64url(bytes(64))}"
    yield "==", f"{token}=="
    yield "= in the middle", token.replace(".", "=.", 1)
    yield "a line break", token.replace(".", ".\n", 1)
    yield "a space in front", f" {token}x"
    yield "a fourth segment", f"{token}.{signature}"
    yield "JSON serialization", json.dumps({"payload": body.split(".")[1], "signatures": [{"signature": signature}]})


def with_the_public_key_as_secret(token: str, public: Any, jwk: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The confusion of RS/ES with HS: everything that a JWKS tells, taken for an HMAC secret."""
    header, claims = parts_of(token)
    for name, encoding in (("PEM", Encoding.PEM), ("DER", Encoding.DER)):
        secret = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        yield f"HS256 with the {name}", signed({**header, "alg": "HS256"}, claims, secret)
        yield f"the {name}, alg {header['alg']}", signed(header, claims, secret)
    for text in (json.dumps(jwk), json.dumps(jwk, separators=(",", ":")), jwk.get("x", jwk.get("n", ""))):
        yield f"HS256 with JWK {text[:8]}", signed({**header, "alg": "HS256"}, claims, text.encode())


def with_the_right_key(token: str, private: Any) -> Iterator[tuple[str, str]]:
    """Signed by the very key, and yet not what its reader wants: other headers, other claims."""
    header, claims = parts_of(token)

    def without(name: str) -> dict[str, Any]:
        return {key: value for key, value in claims.items() if key != name}

    for typ in ("JWS", "at+JWT ", "dpop+jwt", "revocations+jwt", "application/json", 1, None):
        yield f"typ {typ!r}", signed({**header, "typ": typ}, claims, private)
    yield "no typ", signed({name: value for name, value in header.items() if name != "typ"}, claims, private)
    yield "crit", signed({**header, "crit": ["exp"]}, claims, private)
    yield "crit b64", signed({**header, "crit": ["b64"], "b64": False}, claims, private)
    yield "an unknown header", signed({**header, "zip": "DEF"}, claims, private)
    yield "another's alg", signed({**header, "alg": "HS256"}, claims, private)
    far = claims["iat"] + 10**11
    for name, exp in {
        "none": None,
        "text": str(claims["exp"]),
        "float": claims["exp"] + 0.5,
        "infinite": float("inf"),
        "not a number": float("nan"),
        "true": True,
        "a list": [claims["exp"]],
        "negative": -1,
        "past": claims["iat"] - 3600,
        "huge": 10**300,
        "a century on": claims["iat"] + 100 * 365 * 86_400,
    }.items():
        yield f"exp {name}", signed(header, {**claims, "exp": exp}, private)
    yield "exp missing", signed(header, without("exp"), private)
    yield "iat missing", signed(header, without("iat"), private)
    yield (
        "iat in the future",
        signed(header, {**claims, "iat": claims["iat"] + 120, "exp": claims["exp"] + 120}, private),
    )
    yield "iat text", signed(header, {**claims, "iat": str(far)}, private)
    for aud in ("someone-else", "", None, [claims["aud"]], [claims["aud"], "other"]):
        yield f"aud {aud!r}", signed(header, {**claims, "aud": aud}, private)
    yield "aud missing", signed(header, without("aud"), private)
    for payload in ([claims], "text", 1, None):
        yield f"a payload of {type(payload).__name__}", signed(header, payload, private)


def elsewhere(token: str, private: Any) -> Iterator[tuple[str, str]]:
    """By the right key, for another server or for nobody: only where `iss`, `sub` and `sid` decide."""
    header, claims = parts_of(token)
    for iss in ("https://other.example", claims["iss"] + "/", "", None, [claims["iss"]]):
        yield f"iss {iss!r}", signed(header, {**claims, "iss": iss}, private)
    for name in ("sid", "sub", "gen", "scope", "team_id"):
        yield f"{name} missing", signed(header, {key: value for key, value in claims.items() if key != name}, private)
    yield "scope team", signed(header, {**claims, "scope": "team"}, private)
    yield "no session of that id", signed(header, {**claims, "sid": hashlib.md5(b"x").hexdigest()}, private)
    yield "sid no id", signed(header, {**claims, "sid": "\ud800"}, private)
    yield "another's sub", signed(header, {**claims, "sub": hashlib.md5(b"y").hexdigest()}, private)
    yield "gen text", signed(header, {**claims, "gen": "0"}, private)

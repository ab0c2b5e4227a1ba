"""Tokens are read strictly: what PyJWT would let pass is refused here, and nothing in a token chooses its own reader."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from forgeries import signed, with_a_foreign_key, with_the_public_key_as_secret
from gatepass.core import jws
from proofs import base64url

CLAIMS = {"iss": "https://auth.example.com", "iat": 1_790_000_000, "exp": 1_790_003_600, "sub": "ada"}
WANTED = {"iss": str, "iat": int, "exp": int}
KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
}


def good(algorithm: str) -> str:
    return jws.sign(CLAIMS, KEYS[algorithm], algorithm=algorithm, typ="at+jwt", kid="k1")


def read(token: object, algorithm: str, **more: Any) -> dict[str, Any]:
    keys = {"k1": KEYS[algorithm].public_key()}
    return jws.verify(token, keys, **{"algorithm": algorithm, "typ": "at+jwt", "claims": WANTED, **more})


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_was_signed_is_read(algorithm: str) -> None:
    assert read(good(algorithm), algorithm) == CLAIMS


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_forger_without_the_key_gets_nowhere(algorithm: str) -> None:
    token = good(algorithm)
    public = KEYS[algorithm].public_key()
    jwk = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(public))
    for how, forged in (*with_a_foreign_key(token), *with_the_public_key_as_secret(token, public, jwk)):
        with pytest.raises(jws.NotOurs):
            print(how, read(forged, algorithm))


@pytest.mark.parametrize(
    "value", [None, b"a.b.c", 7, "", ".", "..", "a.b", "a.b.c.d", "é.é.é", "a.b.c\n", "\ud800.b.c"]
)
def test_what_is_no_token_at_all_is_none_of_ours(value: object) -> None:
    with pytest.raises(jws.NotOurs):
        read(value, "ES256")


def test_a_header_of_another_type_algorithm_or_extension_is_none_of_ours() -> None:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    assert read(signed(header, CLAIMS, KEYS["ES256"]), "ES256") == CLAIMS
    for change in (
        {"typ": "JWT"},
        {"typ": "AT+JWT"},
        {"typ": None},
        {"alg": "RS256"},
        {"kid": "k2"},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": True},
        {"jwk": {}},
        {"cty": "JWT"},
    ):
        with pytest.raises(jws.NotOurs):
            read(signed({**header, **change}, CLAIMS, KEYS["ES256"]), "ES256")


@pytest.mark.parametrize(
    "change",
    [
        {"exp": None},
        {"exp": "1790003600"},
        {"exp": 1790003600.0},
        {"exp": float("nan")},
        {"exp": True},
        {"iss": 7},
        {"iss": ["https://auth.example.com"]},
    ],
    ids=str,
)
def test_a_claim_of_another_type_is_none_of_ours(change: dict[str, Any]) -> None:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    with pytest.raises(jws.NotOurs, match="claim"):
        read(signed(header, {**CLAIMS, **change}, KEYS["ES256"]), "ES256")


def test_a_missing_claim_is_none_of_ours() -> None:
    with pytest.raises(jws.NotOurs, match="claim jti"):
        read(good("ES256"), "ES256", claims={**WANTED, "jti": str})


def test_payloads_that_break_parsers_are_refused_like_any_other() -> None:
    header = base64url(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}).encode())
    for payload in (b"[" * 6000, b"\xff\xfe", b"null", b"7" * 6000, b'{"exp": 1e999}', b"{}{}"):
        with pytest.raises(jws.NotOurs):
            jws.unverified_claims(f"{header}.{base64url(payload)}.AAAA") and read(
                f"{header}.{base64url(payload)}.AAAA", "ES256"
            )


def test_a_token_longer_than_any_of_ours_is_not_even_parsed() -> None:
    with pytest.raises(jws.NotOurs, match="compact"):
        jws.header_of("a" * 3000 + ".aa.aa")


def test_a_token_that_was_read_before_is_read_no_less_strictly() -> None:
    token = good("ES256")
    assert read(token, "ES256") == read(token, "ES256") == CLAIMS
    with pytest.raises(jws.NotOurs):
        read(token, "ES256", claims={**WANTED, "sid": str})
    with pytest.raises(jws.NotOurs):  # another key goes by that name meanwhile
        jws.verify(token, {"k1": ec.generate_private_key(ec.SECP256R1()).public_key()}, **AT_JWT)
    with pytest.raises(jws.NotOurs):  # the key does not count any more
        jws.verify(token, {}, **AT_JWT)
    head, claims, signature = token.split(".")
    for other in (f"{head}.{claims}.{good('ES256').split('.')[2]}x", f"{head}.{claims[:-4]}AAAA.{signature}"):
        with pytest.raises(jws.NotOurs):
            read(other, "ES256")
    assert read(token, "ES256") == CLAIMS


AT_JWT: dict[str, Any] = {"algorithm": "ES256", "typ": "at+jwt", "claims": WANTED}

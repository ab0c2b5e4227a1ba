"""Proofs of possession: each rule of RFC 9449 section 4.3, and a key that is proven once per proof."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from sqlalchemy import func, select

from forgeries import signed
from gatepass.core import dpop, purge
from gatepass.core.errors import DpopRefused
from gatepass.core.server_secret import sha256
from harness import Server
from proofs import Prover, base64url

URL = "http://127.0.0.1:8000/oauth/token"


async def prove(server: Server, proof: str, *, access_token: str | None = None) -> str:
    """What the server makes of a proof that came with POST /oauth/token."""
    request = dpop.Request(proof, "POST", URL)
    return await server.runtime.transact(lambda unit: dpop.prove(unit, request, access_token=access_token))


@pytest.fixture
def phone(server: Server) -> Prover:
    return Prover(server.clock)


@pytest.fixture
def sqlite_phone(sqlite_server: Server) -> Prover:
    return Prover(sqlite_server.clock)


async def test_a_good_proof_tells_the_thumbprint_of_its_key(server: Server, phone: Prover) -> None:
    assert await prove(server, phone.prove("POST", URL)) == phone.jkt


async def test_the_thumbprint_is_the_one_of_rfc_7638() -> None:
    jwk = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiF"
        "V4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0"
        "zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF"
        "Cur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
    }
    assert dpop._thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    ("algorithm", "private"),
    [
        ("RS256", rsa.generate_private_key(65537, 2048)),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["RS256", "EdDSA"],
)
async def test_other_kinds_of_keys_prove_too(sqlite_server: Server, algorithm: str, private: Any) -> None:
    phone = Prover(sqlite_server.clock, private, algorithm)
    assert await prove(sqlite_server, phone.prove("POST", URL)) == phone.jkt


async def test_a_proof_is_good_once_for_as_long_as_it_could_be_fresh(server: Server, phone: Prover) -> None:
    proof = phone.prove("POST", URL, iat=server.clock.now() // 1000 + 60)
    await prove(server, proof)
    for seconds in (0, 60, 60):
        server.clock.advance(seconds=seconds)
        with pytest.raises(DpopRefused):
            await prove(server, proof)


async def test_one_jti_of_two_keys_is_two_proofs(server: Server, phone: Prover) -> None:
    other = Prover(server.clock)
    assert await prove(server, phone.prove("POST", URL, jti="same")) == phone.jkt
    assert await prove(server, other.prove("POST", URL, jti="same")) == other.jkt


async def test_spent_proofs_are_forgotten_when_they_could_not_be_fresh_any_more(server: Server, phone: Prover) -> None:
    (rule,) = [rule for rule in purge.RULES if rule.table is dpop.dpop_proofs]
    digest = sha256(f"{phone.jkt}|mine")
    kept = select(func.count()).where(dpop.dpop_proofs.c.digest == digest)

    async def purged() -> int | None:
        while await server.runtime.transact(lambda unit: purge.batch(unit, rule)):
            pass
        return await server.runtime.read(lambda unit: unit.db.scalar(kept))

    await prove(server, phone.prove("POST", URL, jti="mine"))
    server.clock.advance(seconds=119)
    assert await purged() == 1
    server.clock.advance(seconds=1)
    assert await purged() == 0


@pytest.mark.parametrize("seconds", [-61, 61])
async def test_a_proof_is_fresh_for_a_minute_either_way(
    sqlite_server: Server, sqlite_phone: Prover, seconds: int
) -> None:
    instant = sqlite_server.clock.now() // 1000
    await prove(sqlite_server, sqlite_phone.prove("POST", URL, iat=instant + seconds - (1 if seconds > 0 else -2)))
    with pytest.raises(DpopRefused, match="fresh"):
        await prove(sqlite_server, sqlite_phone.prove("POST", URL, iat=instant + seconds))


@pytest.mark.parametrize(
    "claims",
    [
        {"htm": "GET"},
        {"htm": "post"},
        {"htm": None},
        {"htu": "http://127.0.0.1:8000/oauth/revoke"},
        {"htu": None},
        {"htu": [URL]},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 513},
        {"jti": "nul\0"},
        {"jti": "\ud800"},
        {"iat": None},
        {"iat": "1790000000"},
        {"iat": 1790000000.5},
        {"iat": True},
        {"iat": 10**40},
    ],
    ids=str,
)
async def test_a_proof_for_something_else_proves_nothing(
    sqlite_server: Server, sqlite_phone: Prover, claims: dict[str, Any]
) -> None:
    with pytest.raises(DpopRefused):
        await prove(sqlite_server, sqlite_phone.prove("POST", URL, **claims))


async def test_a_proof_about_another_access_token_proves_nothing(sqlite_server: Server, sqlite_phone: Prover) -> None:
    for ath in (None, "other-token"):
        with pytest.raises(DpopRefused, match="another access token"):
            await prove(sqlite_server, sqlite_phone.prove("POST", URL, access_token=ath), access_token="this-token")
    good = sqlite_phone.prove("POST", URL, access_token="this-token")
    assert await prove(sqlite_server, good, access_token="this-token") == sqlite_phone.jkt


def private_jwk(phone: Prover) -> dict[str, Any]:
    jwk: dict[str, Any] = json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(phone.private))
    return jwk


async def test_a_header_that_is_not_a_proofs_is_refused(sqlite_server: Server, sqlite_phone: Prover) -> None:
    other = Prover(sqlite_server.clock)
    p384 = Prover(sqlite_server.clock, ec.generate_private_key(ec.SECP384R1()), "ES384")
    for header in (
        {"typ": "JWT"},
        {"typ": None},
        {"jwk": None},
        {"jwk": "text"},
        {"jwk": {}},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jwk": {"kty": ["EC"]}},
        {"jwk": {**sqlite_phone.jwk, "x": "\ud800"}},
        {"jwk": {**sqlite_phone.jwk, "x": 7}},
        {"jwk": private_jwk(sqlite_phone)},
        {"jwk": other.jwk},
        {"jwk": p384.jwk},
        {"crit": ["exp"]},
    ):
        with pytest.raises(DpopRefused):
            await prove(sqlite_server, sqlite_phone.prove("POST", URL, header=header))


async def test_unsigned_symmetric_weak_and_foreign_algorithms_are_refused(
    sqlite_server: Server, sqlite_phone: Prover
) -> None:
    good = sqlite_phone.prove("POST", URL)
    header, claims, signature = good.split(".")
    none = base64url(json.dumps({"typ": "dpop+jwt", "alg": "none", "jwk": sqlite_phone.jwk}).encode())
    symmetric = signed(
        {"typ": "dpop+jwt", "alg": "HS256", "jwk": sqlite_phone.jwk},
        jwt.decode(good, options={"verify_signature": False}),
        json.dumps(sqlite_phone.jwk).encode(),
    )
    with pytest.warns():  # the forger's library warns him
        weak = Prover(sqlite_server.clock, rsa.generate_private_key(65537, 1024), "RS256").prove("POST", URL)
    p384 = Prover(sqlite_server.clock, ec.generate_private_key(ec.SECP384R1()), "ES384").prove("POST", URL)
    for proof in (
        "",
        "a.b.c",
        f"{none}.{claims}.",
        f"{none}.{claims}.{signature}",
        symmetric,
        weak,
        p384,
        f"{good}==",
        f"{header}.{claims}.{base64url(bytes(64))}",
    ):
        with pytest.raises(DpopRefused):
            await prove(sqlite_server, proof)


@pytest.mark.parametrize(
    "presented",
    [
        "https://auth.example.com/oauth/token",
        "HTTPS://AUTH.Example.COM/oauth/token",
        "https://auth.example.com:443/oauth/token",
        "https://auth.example.com/oauth/token?a=b",
        "https://auth.example.com/oauth/token#fragment",
        "https://auth.example.com/oauth/token/",
        "https://auth.example.com/%6Fauth/token",
    ],
)
def test_urls_are_compared_as_rfc_3986_normalises_them(presented: str) -> None:
    assert dpop.same_url(presented, "https://auth.example.com/oauth/token")


@pytest.mark.parametrize(
    "presented",
    [
        "http://auth.example.com/oauth/token",
        "https://auth.example.com:8443/oauth/token",
        "https://auth.example.com/OAuth/token",
        "https://auth.example.com/oauth%2Ftoken",
        "https://auth.example.com.evil.example/oauth/token",
        "https://auth.example.com@evil.example/oauth/token",
        "https://user@auth.example.com/oauth/token",
        "https://auth.example.com:99999/oauth/token",
        "https://[::1/oauth/token",
        "//auth.example.com/oauth/token",
        "/oauth/token",
        "",
        None,
        7,
        ["https://auth.example.com/oauth/token"],
    ],
    ids=str,
)
def test_any_other_url_is_another(presented: object) -> None:
    assert not dpop.same_url(presented, "https://auth.example.com/oauth/token")

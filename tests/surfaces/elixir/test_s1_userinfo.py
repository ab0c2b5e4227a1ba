"""S1: the profile behind an access token, and what is no acceptable token (section 4.2)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from answers import ban, change_user, data_of, error_of

from harness import SIGN_OUT, USERINFO, Phone, Server

INVALID_CREDENTIALS = {"status": 400, "code": 1000, "message": "Invalid Credentials!"}


async def test_a_profile_has_the_documented_members(server: Server) -> None:
    phone = await server.sign_in()
    claims = jwt.decode(phone.bundle["token"], options={"verify_signature": False})
    info = data_of(await phone.userinfo())
    assert info == {
        "sub": phone.bundle["user"]["_id"],
        "iss": str(server.team.id),
        "aud": "game:development",
        "iat": claims["iat"],
        "exp": claims["exp"],
        "nickname": info["nickname"],
        "email": "ada@example.com",
        "email_verified": True,
        "status": "ACTIVE",
        "wallets": [],
    }
    assert info["nickname"].startswith("player-")
    assert info["nickname"].removeprefix("player-").isdigit()


async def test_picture_and_wallets_are_shown_once_there_are_any(server: Server) -> None:
    phone = await server.sign_in()
    await change_user(server, phone.bundle["user"]["_id"], picture="https://example.com/a.png", wallets=["0xabc"])
    info = data_of(await phone.userinfo())
    assert (info["picture"], info["wallets"]) == ("https://example.com/a.png", ["0xabc"])


async def test_a_token_has_the_documented_claims_and_consistent_times(server: Server) -> None:
    bundle = (await server.sign_in()).bundle
    assert jwt.get_unverified_header(bundle["token"]).items() >= {"alg": "HS512", "typ": "JWT"}.items()
    claims = jwt.decode(bundle["token"], options={"verify_signature": False})
    assert claims.keys() == {"_id", "email", "roles", "iss", "aud", "iat", "exp", "sub", "sid", "gen", "jti"}
    assert claims["_id"] == claims["sub"] == bundle["user"]["_id"]
    assert (claims["email"], claims["roles"], claims["gen"]) == ("ada@example.com", ["GAMER"], 0)
    assert claims["exp"] == bundle["tokenExpiry"] // 1000
    assert claims["iat"] == (bundle["tokenExpiry"] - bundle["tokenLifeMS"]) // 1000


def forged(token: str, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """*token* with other members and its old signature."""
    head, body, signature = token.split(".")
    return ".".join((_changed(head, header or {}), _changed(body, claims), signature))


def _changed(part: str, changes: dict[str, Any]) -> str:
    members = json.loads(base64.urlsafe_b64decode(part + "=="))
    return base64.urlsafe_b64encode(json.dumps({**members, **changes}).encode()).decode().rstrip("=")


def signed(token: str, algorithm: str, key: str = "x" * 64, **claims: Any) -> str:
    """*token* signed anew under a key that is not ours."""
    members = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    return jwt.encode({**members, **claims}, key, algorithm, headers={"kid": kid})


FORGERIES: dict[str, Callable[[str], str]] = {
    "no algorithm": lambda token: forged(token, {"alg": "none"}),
    "no algorithm, no signature": lambda token: forged(token, {"alg": "none"}).rpartition(".")[0] + ".",
    "HS256 in the header": lambda token: forged(token, {"alg": "HS256"}),
    "HS256 of another key": lambda token: signed(token, "HS256"),
    "HS512 of another key": lambda token: signed(token, "HS512"),
    "another kid": lambda token: forged(token, {"kid": "00000000"}),
    "a list for a kid": lambda token: forged(token, {"kid": []}),
    "another typ": lambda token: forged(token, {"typ": "at+jwt"}),
    "another audience": lambda token: forged(token, aud="game:production"),
    "another issuer": lambda token: forged(token, iss="7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"),
    "a longer life": lambda token: forged(token, exp=2**63),
    "padding": lambda token: token + "==",
    "a fourth part": lambda token: token + ".x",
    "no signature": lambda token: token.rpartition(".")[0] + ".",
    "the last character changed": lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BA"),
    "deep nesting": lambda token: base64.urlsafe_b64encode(b"[" * 3000).decode() + token[token.index(".") :],
    "very long": lambda token: token + "A" * 60_000,
    "not ASCII": lambda token: token + "\u00e9",
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_token_opens_and_closes_nothing(sqlite_server: Server, forgery: Callable[[str], str]) -> None:
    server = sqlite_server
    phone = await server.sign_in()
    text = f"Bearer {forgery(phone.bundle['token'])}".encode("latin-1")
    headers = {"x-api-key": server.development_key.encode(), "authorization": text}
    assert error_of(await server.client.get(USERINFO, headers=headers)) == INVALID_CREDENTIALS
    assert error_of(await server.client.post(SIGN_OUT, headers=headers)) == INVALID_CREDENTIALS
    data_of(await phone.userinfo())


async def test_a_token_of_another_environment_or_application_is_refused(server: Server) -> None:
    phone = await server.sign_in()
    _, foreign_key, _ = await server.new_team("Other")
    for key in (server.production_key, foreign_key):
        answer = await server.client.get(USERINFO, headers={**phone.bearer, "x-api-key": key})
        assert error_of(answer) == INVALID_CREDENTIALS


async def test_a_token_dies_at_its_expiry(server: Server) -> None:
    phone = await server.sign_in()
    expires_in = phone.bundle["tokenExpiry"] // 1000 * 1000 - server.clock.now()
    server.clock.advance(ms=expires_in - 1)
    data_of(await phone.userinfo())
    server.clock.advance(ms=1)
    assert error_of(await phone.userinfo()) == INVALID_CREDENTIALS


async def test_a_banned_user_is_refused_with_the_reason(server: Server) -> None:
    phone = await server.sign_in()
    await ban(server, phone.bundle["user"]["_id"])
    banned = {"status": 400, "code": 1130, "message": "Account suspended", "banReason": "cheating"}
    assert error_of(await phone.userinfo()) == banned


async def test_two_bearers_are_none(server: Server) -> None:
    phone = await server.sign_in()
    bearer = phone.bearer["authorization"]
    headers = [("x-api-key", phone.key), ("authorization", bearer), ("authorization", bearer)]
    assert error_of(await server.client.get(USERINFO, headers=headers)) == INVALID_CREDENTIALS


async def test_an_older_token_of_the_same_session_still_works(server: Server) -> None:
    phone = await server.sign_in()
    older = Phone(server, phone.key, phone.bundle)
    await phone.refresh()
    data_of(await older.userinfo())

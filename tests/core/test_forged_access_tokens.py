"""Access tokens that nobody here signed, or that say what none of ours says: refused before the database is asked."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import jwt
import pytest

from gatepass.core import access_tokens, api_keys
from gatepass.core.errors import AccessTokenDead, AccessTokenExpired, AccessTokenInvalid, Refusal, UserBanned
from gatepass.core.sessions import Cause
from gatepass.core.unit import Unit
from harness import Server
from life import Life, begin


@pytest.fixture
async def life(server: Server) -> Life:
    return await begin(server)


def genuine(life: Life) -> str:
    return life.server.runtime.signer.elixir(life.opened).text


def parts(life: Life) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Header, claims and the key of a genuine token."""
    text, runtime = genuine(life), life.server.runtime
    keys = runtime.secret.team_keys("elixir-access-token", life.server.team.id.bytes)
    claims = jwt.decode(text, options={"verify_signature": False})
    return jwt.get_unverified_header(text), claims, keys[0]


def signed(life: Life, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token under the team's own key with some members changed; a claim of `...` is left out."""
    genuine_header, genuine_claims, key = parts(life)
    changed = {name: value for name, value in {**genuine_claims, **claims}.items() if value is not ...}
    return jwt.encode(changed, key, "HS512", headers={**genuine_header, **(header or {})})


async def outcome(life: Life, presented: str | None, *, key: str | None = None, **how: bool) -> type[Refusal] | None:
    """The refusal's class, or None when it was accepted."""

    async def work(unit: Unit) -> None:
        app = await api_keys.authenticate_app(unit, key or life.server.development_key)
        await access_tokens.authenticate(unit, presented, app, **how)

    try:
        await life.server.runtime.read(work)
    except Refusal as refusal:
        return type(refusal)
    return None


async def test_the_forger_of_these_tests_could_make_a_genuine_one(life: Life) -> None:
    assert await outcome(life, genuine(life)) is None
    assert await outcome(life, signed(life)) is None


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS384"])
async def test_another_algorithm_is_refused(life: Life, algorithm: str) -> None:
    header, claims, key = parts(life)
    forged = jwt.encode(claims, None if algorithm == "none" else key, algorithm, headers={"kid": header["kid"]})
    assert await outcome(life, forged) is AccessTokenInvalid


async def test_a_header_that_lies_about_its_algorithm_is_refused(life: Life) -> None:
    _, body, signature = genuine(life).split(".")
    for algorithm in ("none", "HS256", "hs512"):
        header = json.dumps({**parts(life)[0], "alg": algorithm}).encode()
        forged = f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.{body}.{signature}"
        assert await outcome(life, forged) is AccessTokenInvalid


async def test_another_key_is_refused_whatever_name_it_goes_by(life: Life) -> None:
    header, claims, _ = parts(life)
    for kid in (header["kid"], "other", "", None, 7):
        headers = {"kid": kid} if isinstance(kid, str) else {}
        forged = jwt.encode(claims, b"k" * 64, "HS512", headers=headers)
        assert await outcome(life, forged) is AccessTokenInvalid


async def test_a_token_of_another_team_or_environment_is_refused(life: Life) -> None:
    _, other_key, _ = await life.server.new_team("Other")
    assert await outcome(life, genuine(life), key=other_key) is AccessTokenInvalid
    assert await outcome(life, genuine(life), key=life.server.production_key) is AccessTokenInvalid


@pytest.mark.parametrize(
    ("claim", "values"),
    [
        ("iss", [..., None, "", str(uuid4()), ["x"], 7]),
        ("aud", [..., None, "game:production", ["game:development"], "game:"]),
        ("exp", [..., None, "9999999999", 9999999999.5, True, [9999999999], {}]),
        ("iat", [..., None, "1", 1.5]),
        ("gen", [..., None, "0", 0.0, True]),
        ("sid", [..., None, 7, "", "x", "\x00"]),
        ("sub", [..., None, 7, "", "x"]),
    ],
)
async def test_a_claim_of_another_value_or_type_is_refused(life: Life, claim: str, values: list[Any]) -> None:
    _, genuine_claims, key = parts(life)
    for value in values:
        changed = {name: inner for name, inner in {**genuine_claims, claim: value}.items() if inner is not ...}
        payload = json.dumps(changed).encode()
        forged = jwt.api_jws.encode(payload, key, "HS512", headers=parts(life)[0])
        assert await outcome(life, forged) is AccessTokenInvalid, value


@pytest.mark.parametrize("exp", [0, -1, -(10**30), 1])
async def test_what_expired_long_ago_is_expired(life: Life, exp: int) -> None:
    assert await outcome(life, signed(life, exp=exp)) is AccessTokenExpired


async def test_a_life_of_ages_under_our_own_key_is_refused(life: Life) -> None:
    """No number in a token can break the arithmetic, and nothing lives longer than its kind."""
    assert await outcome(life, signed(life, exp=10**300)) is AccessTokenInvalid


async def test_a_token_dies_with_the_second_its_exp_names(life: Life) -> None:
    claims = parts(life)[1]
    life.server.clock.advance(ms=claims["exp"] * 1000 - 1 - life.server.clock.now())
    text = signed(life, exp=claims["exp"])
    assert await outcome(life, text) is None
    life.server.clock.advance(ms=1)
    assert await outcome(life, text) is AccessTokenExpired
    assert await outcome(life, text, even_expired=True) is None


@pytest.mark.parametrize(
    "header",
    [{"typ": "at+jwt"}, {"typ": "jwt"}, {"typ": None}, {"crit": ["exp"]}, {"crit": []}, {"jku": "https://x.io"}],
)
async def test_a_header_of_another_type_or_with_more_in_it_is_refused(life: Life, header: dict[str, Any]) -> None:
    _, claims, key = parts(life)
    head = {**parts(life)[0], **header}
    encode = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    signature = jwt.get_algorithm_by_name("HS512").sign(b".".join(encode), key)
    forged = b".".join([*encode, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    assert await outcome(life, forged) is AccessTokenInvalid


async def test_text_around_or_inside_a_genuine_token_makes_it_a_strangers(life: Life) -> None:
    text = genuine(life)
    head, body, signature = text.split(".")
    for forged in (
        text + "==",
        text + "=",
        text + " ",
        " " + text,
        text + "\n",
        text + ".",
        text + ".x",
        f"{head}.{body}",
        f"{head}.{body}.",
        f"{head}..{signature}",
        f".{body}.{signature}",
        f"{head}=.{body}.{signature}",
        f"{head}.{body[:-2]}.{signature}",
        f"{head}.{body}.{signature[:-4]}",
        text.replace(".", ". "),
        "",
        None,
        "." * 2,
        "a" * 100_000,
        "\ud800",
    ):
        assert await outcome(life, forged) is AccessTokenInvalid, forged


async def test_a_token_of_a_closed_or_unknown_session_is_dead(life: Life) -> None:
    assert await outcome(life, signed(life, sid=str(uuid4()))) is AccessTokenDead
    assert await outcome(life, signed(life, sub=str(uuid4()), _id=str(uuid4()))) is AccessTokenDead
    await life.end(Cause.SIGNED_OUT)
    assert await outcome(life, genuine(life)) is AccessTokenDead
    assert await outcome(life, genuine(life), even_expired=True) is AccessTokenDead


async def test_a_banned_users_token_says_so_and_is_no_better_after_an_unban(life: Life) -> None:
    await life.ban("cheating")
    assert await outcome(life, genuine(life)) is UserBanned
    await life.unban()
    assert await outcome(life, genuine(life)) is AccessTokenDead

"""Forged tokens against every place that reads one: none opens anything, none is a fault, none ends a session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from backend import EXCHANGE, Backend, MobileApp, new_backend
from forgeries import elsewhere, parts_of, signed, with_a_foreign_key, with_the_public_key_as_secret, with_the_right_key
from gatepass.core import sign_in_jwt
from gatepass.core.signing_keys import Ring, SigningKey
from harness import USERINFO, Phone, Server


@dataclass
class Scene:
    """A phone that is signed in, its session, and the keys of the server that nobody should have."""

    server: Server
    backend: Backend
    app: MobileApp
    phone: Phone
    access_key: SigningKey
    sign_in_key: SigningKey
    user_token: str

    @property
    def access_token(self) -> str:
        token: str = self.app.tokens["access_token"]
        return token

    def readers_of_access_tokens(self, token: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path and arguments of every call that takes an access token."""
        bearer = {"authorization": f"Bearer {token}"}
        user = f"/v2/user/{self.app.user_id}"
        yield "GET", "/userinfo", {"headers": bearer}
        yield "GET", user, {"headers": bearer}
        yield "POST", f"{user}/sign_in_token", {"headers": bearer}
        yield "POST", "/v1/accounts:lookup", {"json": {"idToken": token}}

    async def call(self, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        if not all(0x20 <= ord(letter) < 0x7F for letter in str(more.get("headers", {}).get("authorization", ""))):
            more["headers"] = {"authorization": more["headers"]["authorization"].encode("utf-8", "replace")}
        return await self.server.client.request(method, path, **more)


@pytest.fixture
async def scene(server: Server) -> Scene:
    backend = await new_backend(server)
    app = await backend.sign_in()
    token = await backend.sign_in_token(app.user_id)
    return Scene(
        server,
        backend,
        app,
        await server.sign_in(),
        await server.runtime.keyring.signer(Ring.ACCESS),
        await server.runtime.keyring.signer(Ring.SIGN_IN, backend.team.id),
        sign_in_jwt.unwrap(token),
    )


def forged_access_tokens(scene: Scene) -> Iterator[tuple[str, str]]:
    token, key = scene.access_token, scene.access_key
    yield from with_a_foreign_key(token)
    yield from with_the_public_key_as_secret(token, key.public, key.public_jwk)
    yield from with_the_right_key(token, key.private)
    yield from elsewhere(token, key.private)
    yield from of_other_kinds(scene)


def of_other_kinds(scene: Scene) -> Iterator[tuple[str, str]]:
    """Good tokens of this very server, in a place that is not theirs."""
    header, claims = parts_of(scene.access_token)
    yield "a sign-in token", scene.user_token
    yield "a refresh token", scene.app.tokens["refresh_token"]
    yield "an Elixir access token", scene.phone.bundle["token"]
    yield "an Elixir refresh token", scene.phone.refresh_token
    yield "a secret key", scene.backend.key
    yield (
        "an access token by the sign-in ring",
        signed({**header, "alg": "RS256", "kid": scene.sign_in_key.kid}, claims, scene.sign_in_key.private),
    )
    yield "the same under the access ring's kid", signed({**header, "alg": "RS256"}, claims, scene.sign_in_key.private)


async def still_signed_in(scene: Scene) -> bool:
    session = await scene.app.session()
    return session.ended_at is None and (await scene.app.read()).status_code == 200


async def test_the_true_token_is_taken_at_each_place(scene: Scene) -> None:
    """Else the refusals below would prove nothing."""
    statuses = [(await scene.call(*call)).status_code for call in scene.readers_of_access_tokens(scene.access_token)]
    assert statuses == [200, 200, 403, 200]


async def test_a_forged_access_token_opens_nothing_anywhere(scene: Scene) -> None:
    for how, forged in forged_access_tokens(scene):
        for method, path, more in scene.readers_of_access_tokens(forged):
            answer = await scene.call(method, path, more)
            wanted = 400 if "accounts" in path else 401
            assert answer.status_code == wanted, f"{how} at {path}: {answer.status_code} {answer.text}"
    assert await still_signed_in(scene)


async def test_a_forged_access_token_is_inactive_and_ends_nothing(scene: Scene) -> None:
    mine = {scene.app.tokens["refresh_token"]}
    client = scene.server.client
    for how, forged in forged_access_tokens(scene):
        if forged in mine:
            continue
        form = {"token": forged.encode("utf-8", "replace").decode()}
        seen = await client.post("/oauth/introspect", data=form, headers=scene.backend.headers)
        assert (seen.status_code, seen.json()) == (200, {"active": False}), how
        for path in ("/oauth/revoke", "/v1/revoke"):
            assert (await client.post(path, data=form)).status_code == 200, how
    assert await still_signed_in(scene)
    assert (await scene.phone.userinfo()).status_code == 200


async def test_the_other_dialect_takes_none_of_them_either(scene: Scene) -> None:
    for how, forged in forged_access_tokens(scene):
        if how.startswith("an Elixir access"):
            continue
        authorization = f"Bearer {forged}".encode("utf-8", "replace")
        headers = {"x-api-key": scene.server.development_key.encode(), "authorization": authorization}
        answer = await scene.server.client.get(USERINFO, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, 1000), how


def forged_sign_in_tokens(scene: Scene) -> Iterator[tuple[str, str]]:
    token, key = scene.user_token, scene.sign_in_key
    header, claims = parts_of(token)
    yield from with_a_foreign_key(token)
    yield from with_the_public_key_as_secret(token, key.public, key.public_jwk)
    yield from with_the_right_key(token, key.private)
    yield "an access token", scene.access_token
    yield "a refresh token", scene.app.tokens["refresh_token"]
    yield "an Elixir access token", scene.phone.bundle["token"]
    yield (
        "by the access ring",
        signed({**header, "alg": "ES256", "kid": scene.access_key.kid}, claims, scene.access_key.private),
    )
    hour = claims["iat"] + 3600
    for change in (
        {"exp": hour + 1},
        {"iat": claims["iat"] + 61, "exp": hour},
        {"nbf": claims["iat"] + 61},
        {"nbf": "0"},
        {"uid": None},
        {"uid": "\ud800"},
        {"uid": scene.server.team.id.hex},
        {"tenant_id": "t-000000000000"},
        {"tenant_id": None},
        {"claims": None},
        {"claims": {"vital_team_id": str(scene.server.team.id)}},
        {"claims": {"vital_team_id": 7}},
        {"jti": ""},
        {"jti": 7},
        {"jti": "\0"},
        {"jti": "\ud800"},
        {"jti": "x" * 65},
    ):
        yield f"{change}", signed(header, {**claims, **change}, key.private)


async def test_a_forged_sign_in_token_opens_no_session_anywhere(scene: Scene) -> None:
    client, count = scene.server.client, 0
    for how, forged in forged_sign_in_tokens(scene):
        text = forged.encode("utf-8", "replace").decode()
        for path in ("/oauth/token", "/v1/token", "/auth/v1/token"):
            answer = await client.post(path, data={**EXCHANGE, "subject_token": text})
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), f"{how}: {answer.text}"
        answer = await client.post("/v1/accounts:signInWithCustomToken", json={"token": text})
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, "INVALID_CUSTOM_TOKEN"), how
        count += 1
    assert count > 60
    answer = await client.post("/oauth/token", data={**EXCHANGE, "subject_token": scene.user_token})
    assert answer.status_code == 200, "the true one was neither spent nor revoked by any of these"


async def test_no_token_but_a_refresh_token_refreshes(scene: Scene) -> None:
    refresh_token = scene.app.tokens["refresh_token"]
    middle = len(refresh_token) // 2
    flipped = refresh_token[:middle] + ("A" if refresh_token[middle] != "A" else "B") + refresh_token[middle + 1 :]
    for token in (
        scene.access_token,
        scene.user_token,
        scene.phone.bundle["token"],
        scene.phone.refresh_token,
        flipped,
        refresh_token + "=",
        refresh_token + "==",
        refresh_token.lower(),
        refresh_token.removeprefix("jrt_"),
        f" {refresh_token}",
        "jrt_" + "A" * 48,
        "0" * 72,
    ):
        for path in ("/oauth/token", "/v1/token", "/securetoken.googleapis.com/v1/token"):
            form = {"grant_type": "refresh_token", "refresh_token": token}
            answer = await scene.server.client.post(path, data=form)
            assert answer.status_code == 400, f"{token} at {path}"
    assert await still_signed_in(scene)
    assert (await scene.app.refresh()).status_code == 200

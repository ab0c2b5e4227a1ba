"""`/oauth/revoke` (RFC 7009) and `/oauth/introspect` (RFC 7662)."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from backend import Backend, MobileApp, new_backend
from gatepass.core import api_keys, refresh_tokens
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.sessions import Cause
from harness import Server


async def revoke(server: Server, token: str, **form: str) -> httpx.Response:
    return await server.client.post("/oauth/revoke", data={"token": token, **form})


async def introspect(backend: Backend, token: str, **headers: str) -> httpx.Response:
    return await backend.server.client.post(
        "/oauth/introspect", data={"token": token}, headers=headers or backend.headers
    )


async def worth(backend: Backend, token: str) -> dict[str, Any]:
    answer = await introspect(backend, token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


def in_hex(server: Server, jrt: str) -> str:
    """Another spelling of the same refresh token."""
    return refresh_tokens.parse(server.runtime.secret, jrt).hex(server.runtime.secret)


# Revocation.


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "nonsense"])
@pytest.mark.parametrize("which", ["refresh_token", "its hex spelling", "access_token"])
async def test_any_token_of_a_session_signs_it_out_whatever_the_hint(
    sqlite_backend: Backend, which: str, hint: str
) -> None:
    app = await sqlite_backend.sign_in()
    refresh_token = app.tokens["refresh_token"]
    token = app.tokens.get(which) or in_hex(app.server, refresh_token)
    answer = await revoke(app.server, token, token_type_hint=hint)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert (await app.session()).end_cause is Cause.SIGNED_OUT
    assert (await app.read()).status_code == 401
    assert (await app.refresh(path="/oauth/token")).json()["error"] == "invalid_grant"


async def test_a_token_of_an_earlier_generation_signs_out_too(backend: Backend) -> None:
    """The phone that lost an answer holds it and no other."""
    app = await backend.sign_in()
    first = app.tokens["refresh_token"]
    await app.refresh()
    await revoke(app.server, first)
    assert (await app.session()).end_cause is Cause.SIGNED_OUT


async def test_revoking_twice_or_nothing_is_as_good_as_once(backend: Backend) -> None:
    app = await backend.sign_in()
    for token in (app.tokens["refresh_token"],) * 2 + ("nonsense", "a.b.c", "\0", "é", "jrt_" + "A" * 48):
        assert (await revoke(app.server, token)).status_code == 200
    session = await app.session()
    app.server.clock.advance(seconds=60)
    await revoke(app.server, app.tokens["access_token"])
    assert await app.session() == session


async def test_a_session_of_another_dialect_is_not_revoked_here(backend: Backend) -> None:
    phone = await backend.server.sign_in()
    for token in (phone.refresh_token, phone.bundle["token"]):
        assert (await revoke(backend.server, token)).status_code == 200
    assert (await phone.refresh()).status_code == 200


async def test_a_missing_token_is_an_invalid_request(sqlite_server: Server) -> None:
    for form in ({}, {"token": ""}, {"token_type_hint": "refresh_token"}):
        answer = await sqlite_server.client.post("/oauth/revoke", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# Introspection.


async def test_a_living_access_token_tells_its_claims(backend: Backend) -> None:
    app = await backend.sign_in()
    body = await worth(backend, app.tokens["access_token"])
    session = await app.session()
    expected = {
        "active": True,
        "token_type": "Bearer",
        "scope": "user",
        "iss": "http://127.0.0.1:8000",
        "aud": "junction-api",
        "sub": app.user_id,
        "sid": str(session.id),
        "client_id": str(backend.team.id),
        "team_id": str(backend.team.id),
        "gen": 0,
        "region": "eu",
        "environment": "sandbox",
    }
    assert {name: body[name] for name in expected} == expected
    assert body.keys() - expected.keys() == {"iat", "exp", "jti"}


async def test_seeing_a_current_access_token_is_a_receipt(backend: Backend) -> None:
    app = await backend.sign_in()
    first = app.tokens["access_token"]
    await app.refresh()
    await worth(backend, first)
    assert (await app.session()).receipt_at is None
    await worth(backend, app.tokens["access_token"])
    assert (await app.session()).receipt_at == backend.server.clock.now()


async def test_the_refresh_token_that_would_be_taken_is_active_and_no_other(backend: Backend) -> None:
    app = await backend.sign_in()
    first = app.tokens["refresh_token"]
    body = await worth(backend, first)
    assert (body["active"], body["sub"], body["exp"] - body["iat"]) == (True, app.user_id, 90 * 86_400)
    await app.refresh()
    assert await worth(backend, first) == {"active": False}
    assert (await worth(backend, in_hex(backend.server, app.tokens["refresh_token"])))["active"] is True
    assert (await app.session()).receipt_at is None


async def end_by_ban(backend: Backend, app: MobileApp) -> None:
    path = f"/admin/v1/teams/{backend.team.id}/users/{app.user_id}/ban"
    answer = await backend.server.client.post(path, json={}, headers=backend.server.admin)
    assert answer.status_code == 200, answer.text


async def end_by_deletion(backend: Backend, app: MobileApp) -> None:
    await backend.call("DELETE", f"/v2/user/{app.user_id}")


async def end_by_sign_out(backend: Backend, app: MobileApp) -> None:
    await revoke(backend.server, app.tokens["refresh_token"])


@pytest.mark.parametrize("end", [end_by_ban, end_by_deletion, end_by_sign_out])
async def test_tokens_of_an_ended_session_are_inactive_and_say_nothing_more(backend: Backend, end: Any) -> None:
    app = await backend.sign_in()
    await end(backend, app)
    for token in (app.tokens["access_token"], app.tokens["refresh_token"]):
        assert await worth(backend, token) == {"active": False}


async def test_an_expired_access_token_is_inactive_after_its_leeway(backend: Backend) -> None:
    app = await backend.sign_in()
    backend.server.clock.advance(seconds=app.tokens["expires_in"] + 1)
    assert (await worth(backend, app.tokens["access_token"]))["active"] is True
    backend.server.clock.advance(seconds=60)
    assert await worth(backend, app.tokens["access_token"]) == {"active": False}


async def test_another_teams_tokens_are_inactive_and_bring_no_receipt(backend: Backend) -> None:
    app = await backend.sign_in()
    other = await new_backend(backend.server)
    for token in (app.tokens["access_token"], app.tokens["refresh_token"]):
        assert await worth(other, token) == {"active": False}
    assert (await app.session()).receipt_at is None


async def test_whatever_else_is_inactive(backend: Backend) -> None:
    phone = await backend.server.sign_in()
    user = await backend.create_user()
    sign_in_token = await backend.sign_in_token(user["user_id"])
    for token in (
        "nonsense", "a.b.c", "\0", "é", backend.key, phone.refresh_token, phone.bundle["token"], sign_in_token,
    ):  # fmt: skip
        assert await worth(backend, token) == {"active": False}


async def test_the_key_comes_in_any_of_three_ways(backend: Backend) -> None:
    app = await backend.sign_in()

    def basic(text: str) -> dict[str, str]:
        return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

    for headers in (
        {"x-vital-api-key": backend.key},
        {"authorization": f"Bearer {backend.key}"},
        basic(f"{backend.team.id}:{backend.key}"),
        basic(f"{backend.key}:"),
    ):
        answer = await introspect(backend, app.tokens["access_token"], **headers)
        assert (answer.status_code, answer.json()["active"]) == (200, True)


async def test_without_a_living_secret_key_nothing_is_told(backend: Backend) -> None:
    app = await backend.sign_in()

    async def make(unit: Any) -> tuple[str, str]:
        publishable = await api_keys.create(unit, backend.team.id, Kind.PUBLISHABLE, Environment.PRODUCTION)
        revoked = await api_keys.create(unit, backend.team.id, Kind.SECRET)
        await api_keys.revoke(unit, revoked.stored.id)
        return publishable.text, revoked.text

    publishable, revoked = await backend.server.runtime.transact(make)
    for challenge, headers in (
        ("Basic", {"x-nothing": ""}),
        ("Basic", {"x-vital-api-key": publishable}),
        ("Basic", {"x-vital-api-key": revoked}),
        ("Basic", {"x-vital-api-key": ""}),
        ("Basic", {"authorization": "Basic !!!"}),
        ("Basic", {"authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()}),
        ("Basic", {"authorization": "Digest x"}),
        ("Bearer", {"authorization": f"Bearer {app.tokens['access_token']}"}),
        ("Bearer", {"authorization": "Bearer"}),
    ):
        answer = await introspect(backend, app.tokens["access_token"], **headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith(challenge)
        assert list(answer.json()) == ["error", "error_description"]
    assert (await app.session()).receipt_at is None


async def test_the_key_is_looked_at_before_the_form(sqlite_backend: Backend) -> None:
    client = sqlite_backend.server.client
    assert (await client.post("/oauth/introspect")).status_code == 401
    answer = await client.post("/oauth/introspect", data={}, headers=sqlite_backend.headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

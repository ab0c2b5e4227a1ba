"""`/userinfo`: the user behind an access token of its own (RFC 6750)."""

from __future__ import annotations

import pytest

from backend import Backend
from harness import Server


async def test_a_user_reads_itself_and_the_call_is_a_receipt(backend: Backend) -> None:
    app = await backend.sign_in((await backend.create_user("member-7"))["user_id"])
    answer = await backend.server.client.get("/userinfo", headers=app.bearer)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {"sub": app.user_id, "team_id": str(backend.team.id), "client_user_id": "member-7"}
    assert (await app.session()).receipt_at == backend.server.clock.now()


async def test_the_scheme_is_read_in_any_case(backend: Backend) -> None:
    app = await backend.sign_in()
    headers = {"authorization": f"bEARER {app.tokens['access_token']}"}
    assert (await backend.server.client.get("/userinfo", headers=headers)).status_code == 200


async def test_a_request_without_a_token_is_told_the_schemes_and_no_error(sqlite_server: Server) -> None:
    for headers in ({}, {"authorization": "Basic eDp5"}):
        answer = await sqlite_server.client.get("/userinfo", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="gatepass", DPoP algs="ES256 RS256 EdDSA"'


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "x" * 15_000])
async def test_a_token_that_is_none_is_called_invalid(sqlite_server: Server, token: str) -> None:
    answer = await sqlite_server.client.get("/userinfo", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="gatepass", error="invalid_token"')


async def test_a_token_dies_with_its_session(backend: Backend) -> None:
    app = await backend.sign_in()
    await backend.server.client.post("/v1/revoke", data={"token": app.tokens["refresh_token"]})
    answer = await backend.server.client.get("/userinfo", headers=app.bearer)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


async def test_two_authorization_headers_are_none(backend: Backend) -> None:
    app = await backend.sign_in()
    twice = [("authorization", app.bearer["authorization"])] * 2
    assert (await backend.server.client.get("/userinfo", headers=twice)).status_code == 401

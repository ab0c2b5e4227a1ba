"""E3: rotate the refresh token. What a spent token is worth is told in tests/core; here stands how Elixir says it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from answers import ban, calling_from, code_of, data_of, error_of, serve_elixir, unban

from harness import REFRESH, Server

INVALID = {"status": 400, "code": "INVALID_REFRESH_TOKEN"}


async def test_a_refresh_gives_another_token_and_the_user_with_an_empty_ban_reason(server: Server) -> None:
    phone = await server.sign_in()
    before, user_id = phone.refresh_token, phone.bundle["user"]["_id"]
    server.clock.advance(seconds=3600)
    bundle = data_of(await phone.refresh())
    assert list(bundle) == ["token", "tokenExpiry", "tokenLifeMS", "refreshToken", "user"]
    assert bundle["user"] == {"_id": user_id, "status": "ACTIVE", "banReason": ""}
    assert bundle["refreshToken"] != before
    assert bundle["tokenExpiry"] - bundle["tokenLifeMS"] == server.clock.now()


@pytest.mark.parametrize(
    "body",
    [
        {}, {"refreshToken": None}, {"refreshToken": ""}, {"refreshToken": 7}, {"refreshToken": ["x"]},
        {"refreshToken": "x"}, {"refreshToken": "0" * 72}, {"refreshToken": "\x00"}, {"refreshToken": "\ud800"},
    ],
)  # fmt: skip
async def test_whatever_is_no_token_of_ours_has_the_string_code_and_no_message(server: Server, body: Any) -> None:
    headers = {"x-api-key": server.development_key}
    answer = await server.client.post(REFRESH, content=json.dumps(body).encode(), headers=headers)
    assert error_of(answer) == INVALID


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"null", b'{"refreshToken":NaN}', b"\xff\xfe{\x00}\x00"])
async def test_a_body_that_is_no_object_is_a_bad_body(server: Server, body: bytes) -> None:
    answer = await server.client.post(REFRESH, content=body, headers={"x-api-key": server.development_key})
    assert error_of(answer) == {"status": 400, "code": 1100, "message": "Invalid request body"}


async def test_a_lost_answer_is_given_again(server: Server) -> None:
    phone = await server.sign_in()
    spent = phone.refresh_token
    first = data_of(await phone.refresh())
    server.clock.advance(seconds=3600)
    again = data_of(await phone.refresh(spent))
    assert again["refreshToken"] == first["refreshToken"]
    assert again["token"] != first["token"]


async def test_a_stolen_token_ends_the_session_for_both(server: Server) -> None:
    phone = await server.sign_in()
    stolen = phone.refresh_token
    await phone.refresh()
    await phone.userinfo()
    server.clock.advance(seconds=60)
    assert error_of(await server.post(REFRESH, {"refreshToken": stolen})) == INVALID
    assert error_of(await phone.refresh()) == INVALID
    assert code_of(await phone.userinfo()) == 1000


async def test_a_slow_sibling_is_told_to_come_again(server: Server) -> None:
    phone = await server.sign_in()
    oldest = phone.refresh_token
    for _ in range(2):
        await phone.refresh()
    answer = await server.post(REFRESH, {"refreshToken": oldest})
    assert code_of(answer) == 1191
    data_of(await phone.refresh())


async def test_another_environment_or_application_is_refused_and_closes_nothing(server: Server) -> None:
    phone = await server.sign_in()
    _, foreign_key, _ = await server.new_team("Other")
    for key in (server.production_key, foreign_key):
        assert error_of(await server.post(REFRESH, {"refreshToken": phone.refresh_token}, key=key)) == INVALID
    data_of(await phone.refresh())


async def test_a_token_nobody_used_for_half_a_year_is_refused(server: Server) -> None:
    phone = await server.sign_in()
    server.clock.advance(seconds=180 * 86_400)
    assert error_of(await phone.refresh()) == INVALID


async def test_every_refresh_restarts_the_half_year(server: Server) -> None:
    phone = await server.sign_in()
    for _ in range(3):
        server.clock.advance(seconds=179 * 86_400)
        data_of(await phone.refresh())


async def test_a_banned_owner_reads_the_reason_while_the_ban_stands(server: Server) -> None:
    phone = await server.sign_in()
    user_id = phone.bundle["user"]["_id"]
    await ban(server, user_id)
    banned = {"status": 400, "code": 1130, "message": "Account suspended", "banReason": "cheating"}
    assert error_of(await phone.refresh()) == banned
    await unban(server, user_id)
    assert error_of(await phone.refresh()) == INVALID


async def test_a_session_that_was_signed_out_before_the_ban_is_not_banned(server: Server) -> None:
    phone = await server.sign_in()
    await phone.sign_out()
    await ban(server, phone.bundle["user"]["_id"])
    assert error_of(await phone.refresh()) == INVALID


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x.y.z", "Basic eDp5", "\u00e9"])
async def test_the_bearer_is_ignored(server: Server, authorization: str) -> None:
    phone = await server.sign_in()
    headers = {"authorization": authorization.encode("latin-1")}
    data_of(await server.post(REFRESH, {"refreshToken": phone.refresh_token}, headers=headers))


async def test_only_invalid_tokens_count_against_a_client(database_url: str) -> None:
    async with serve_elixir(database_url, limit_invalid_refresh_per_client="2/hour") as server:
        phone = await server.sign_in()
        answers = [code_of(await server.post(REFRESH, {"refreshToken": "f" * 72})) for _ in range(3)]
        assert answers == ["INVALID_REFRESH_TOKEN", "INVALID_REFRESH_TOKEN", 1140]
        for _ in range(5):
            data_of(await phone.refresh())
        assert error_of(await server.post(REFRESH, {"refreshToken": ""})) == INVALID
        async with calling_from(server, "198.51.100.7") as elsewhere:
            assert error_of(await elsewhere.post(REFRESH, {"refreshToken": "f" * 72})) == INVALID

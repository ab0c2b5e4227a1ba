"""E4: close this device's session."""

from __future__ import annotations

import asyncio

import pytest
from answers import code_of, data_of, error_of

from harness import SIGN_OUT, Server

INVALID_CREDENTIALS = {"status": 400, "code": 1000, "message": "Invalid Credentials!"}


async def test_after_sign_out_nothing_of_the_session_works_and_another_of_the_same_user_does(server: Server) -> None:
    phone, tablet = await server.sign_in(), await server.sign_in()
    assert data_of(await phone.sign_out()) == {"message": "Session closed successfully for this device"}
    assert error_of(await phone.userinfo()) == INVALID_CREDENTIALS
    assert error_of(await phone.refresh()) == {"status": 400, "code": "INVALID_REFRESH_TOKEN"}
    assert error_of(await phone.sign_out()) == INVALID_CREDENTIALS
    data_of(await tablet.userinfo())
    data_of(await tablet.refresh())


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"\xff", b'{"refreshToken":"x"}', b"null"])
async def test_the_body_does_not_matter(server: Server, body: bytes) -> None:
    phone = await server.sign_in()
    data_of(await server.client.post(SIGN_OUT, content=body, headers=phone.bearer))


async def test_an_expired_token_still_closes_its_session(server: Server) -> None:
    phone = await server.sign_in()
    server.clock.advance(seconds=3601)
    assert code_of(await phone.userinfo()) == 1000
    data_of(await phone.sign_out())
    assert code_of(await phone.refresh()) == "INVALID_REFRESH_TOKEN"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic eDp5", "Token x", "Bearer a.b.c"])
async def test_without_a_token_of_ours_nothing_is_closed(server: Server, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    assert error_of(await server.post(SIGN_OUT, {}, headers=headers)) == INVALID_CREDENTIALS


async def test_a_key_of_another_environment_or_application_closes_nothing(server: Server) -> None:
    phone = await server.sign_in()
    _, foreign_key, _ = await server.new_team("Other")
    for key in (server.production_key, foreign_key):
        answer = await server.client.post(SIGN_OUT, headers={**phone.bearer, "x-api-key": key})
        assert error_of(answer) == INVALID_CREDENTIALS
    data_of(await phone.userinfo())


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_the_scheme_is_read_in_any_case(server: Server, scheme: str) -> None:
    phone = await server.sign_in()
    headers = {"authorization": f"{scheme} {phone.bundle['token']}"}
    data_of(await server.post(SIGN_OUT, {}, headers=headers))


async def test_of_parallel_sign_outs_one_closes_the_session(server: Server) -> None:
    phone = await server.sign_in()
    answers = await asyncio.gather(*(phone.sign_out() for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7

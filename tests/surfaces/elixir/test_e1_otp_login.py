"""E1: ask for an e-mailed one-time code."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from answers import ban, calling_from, code_of, data_of, error_of, serve_elixir

from gatepass.core import teams
from gatepass.core.teams import SignUp
from harness import LOGIN, REFRESH, VERIFY, Server, statements


async def sign_up(server: Server, whose: SignUp) -> None:
    await server.runtime.transact(lambda unit: teams.change(unit, server.team.id, sign_up=whose))


def shape(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], int]:
    return answer.status_code, sorted(answer.headers.items()), len(answer.content)


async def test_existing_unknown_banned_and_refused_addresses_get_the_same_answer_by_the_same_statements(
    server: Server,
) -> None:
    await server.sign_in("existing@example.com")
    banned = await server.sign_in("banned-x@example.com")
    await ban(server, banned.bundle["user"]["_id"])

    seen = []
    for policy, email in (
        (SignUp.OPEN, "existing@example.com"),
        (SignUp.OPEN, "unknown-@example.com"),
        (SignUp.OPEN, "banned-x@example.com"),
        (SignUp.KNOWN, "existing@example.com"),
        (SignUp.KNOWN, "unknown-@example.com"),
        (SignUp.CLOSED, "existing@example.com"),
        (SignUp.CLOSED, "unknown-@example.com"),
    ):
        await sign_up(server, policy)
        for key in (server.development_key, server.production_key):
            with statements(server) as ran:
                answer = await server.post(LOGIN, {"email": email}, key=key)
            data_of(answer)
            assert any("INSERT INTO otp_transactions" in statement for statement in ran)
            seen.append((key, shape(answer), ran))

    for key in (server.development_key, server.production_key):
        (first, *others) = [(answer, ran) for which, answer, ran in seen if which == key]
        assert all(other == first for other in others)


async def test_nobody_who_may_not_sign_in_is_sent_a_mail(server: Server) -> None:
    await server.sign_in("existing@example.com")
    before = len(await server.deliver())
    await sign_up(server, SignUp.KNOWN)
    await server.ask_for_code("unknown@example.com")
    await server.ask_for_code("existing@example.com")
    await sign_up(server, SignUp.CLOSED)
    await server.ask_for_code("existing@example.com")
    mails = await server.deliver()
    assert [mail.to for mail in mails[before:]] == ["existing@example.com"]


async def test_a_decoy_refuses_its_own_code_as_a_wrong_one_and_locks_like_any_other(server: Server) -> None:
    await sign_up(server, SignUp.CLOSED)
    asked = await server.ask_for_code("ada@example.com")
    body = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
    answers = [error_of(await server.post(VERIFY, body)) for _ in range(6)]
    assert [error["code"] for error in answers] == [1000] * 4 + [1111] * 2
    assert answers[0]["message"] == "Invalid Credentials!"


async def test_a_decoy_expires_like_any_other(server: Server) -> None:
    await sign_up(server, SignUp.CLOSED)
    asked = await server.ask_for_code("ada@example.com")
    server.clock.advance(seconds=600)
    body = {"transactionId": asked["transactionId"], "code": "000000"}
    assert code_of(await server.post(VERIFY, body)) == 1110


async def test_only_a_development_key_sees_the_code(server: Server) -> None:
    assert (await server.ask_for_code("ada@example.com")).keys() == {"transactionId", "userCode"}
    shown = await server.ask_for_code("ada@example.com", key=server.production_key)
    assert shown.keys() == {"transactionId"}


async def test_no_key_sees_the_code_unless_the_deployment_allows_it(sqlite_url: str) -> None:
    async with serve_elixir(sqlite_url, expose_user_code=False) as server:
        for key in (server.development_key, server.production_key):
            assert (await server.ask_for_code("ada@example.com", key=key)).keys() == {"transactionId"}


async def test_a_second_code_leaves_the_first_one_good(server: Server) -> None:
    first = await server.ask_for_code("ada@example.com")
    second = await server.ask_for_code("ada@example.com")
    for asked in (first, second):
        body = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
        assert data_of(await server.post(VERIFY, body))["user"]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    "typed",
    ["  Ada@Example.COM ", "ada@example.com", "ADA@EXAMPLE.com", "ada@example.com\n"],
)
async def test_one_mailbox_is_one_account_however_it_is_typed(sqlite_server: Server, typed: str) -> None:
    server = sqlite_server
    account = (await server.sign_in("ada@example.com")).bundle["user"]["_id"]
    assert (await server.sign_in(typed)).bundle["user"]["_id"] == account


async def test_tags_and_dots_name_accounts_of_their_own(sqlite_server: Server) -> None:
    emails = ("ada@example.com", "a.da@example.com", "ada+game@example.com")
    accounts = {(await sqlite_server.sign_in(email)).bundle["user"]["_id"] for email in emails}
    assert len(accounts) == 3


@pytest.mark.parametrize(
    "email",
    [
        "", "@", "a@", "@b.c", "ada", "ada@localhost", "a@b@c.de", "ada@exa mple.com", "ada@example.com\x00",
        "ada\r\nbcc:eve@example.com", "ada@-example.com", "ada@example..com", "ada@127.0.0.1", "\u212ada@example.com",
        "ada@" + "a" * 64 + ".com", "a" * 65 + "@example.com", "ada@" + ".".join(["a" * 60] * 5), '"ada"@example.com',
    ],
)  # fmt: skip
async def test_a_malformed_address_is_refused_by_name(sqlite_server: Server, email: str) -> None:
    error = error_of(await sqlite_server.post(LOGIN, {"email": email}))
    assert error == {"status": 400, "code": 1100, "message": "Invalid email"}


@pytest.mark.parametrize("body", [{}, {"email": None}, {"email": 7}, {"email": ["ada@example.com"]}])
async def test_an_address_that_is_no_string_is_refused_by_name(sqlite_server: Server, body: dict[str, Any]) -> None:
    assert error_of(await sqlite_server.post(LOGIN, body))["message"] == "Invalid email"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"ada@example.com"', b"{", b"email=ada@example.com"])
async def test_what_is_no_json_object_is_refused_as_a_body(sqlite_server: Server, body: bytes) -> None:
    headers = {"x-api-key": sqlite_server.development_key}
    error = error_of(await sqlite_server.client.post(LOGIN, content=body, headers=headers))
    assert error == {"status": 400, "code": 1100, "message": "Invalid request body"}


async def test_a_dev_domain_without_a_dot_is_allowed_in_test_mode_alone(sqlite_url: str) -> None:
    async with serve_elixir(sqlite_url, test_mode=True) as server:
        await server.sign_in("ada@localhost")


async def test_an_ios_phone_that_never_saw_a_token_asks_to_refresh_and_then_for_a_code(server: Server) -> None:
    assert code_of(await server.post(REFRESH, {"refreshToken": ""})) == "INVALID_REFRESH_TOKEN"
    await server.sign_in("ada@example.com")


async def test_a_second_code_within_the_cooldown_is_put_off(database_url: str) -> None:
    async with serve_elixir(database_url, code_cooldown=30) as server:
        await server.ask_for_code("ada@example.com")
        server.clock.advance(seconds=10)
        answer = await server.post(LOGIN, {"email": "a.d.a+again@example.com"})
        assert code_of(answer) == 1140
        assert answer.headers["retry-after"] == "20"
        await server.ask_for_code("grace@example.com")
        server.clock.advance(seconds=20)
        await server.ask_for_code("ada@example.com")


async def test_one_sender_cannot_use_up_an_addresss_codes(database_url: str) -> None:
    limits = {"limit_codes_per_address": "10/hour,20/day", "limit_codes_per_client_and_address": "3/hour"}
    async with serve_elixir(database_url, **limits) as server, calling_from(server, "198.51.100.7") as elsewhere:
        for _ in range(3):
            await server.ask_for_code("ada@example.com")
        assert code_of(await server.post(LOGIN, {"email": "ada@example.com"})) == 1140
        await elsewhere.ask_for_code("ada@example.com")


async def test_codes_of_an_address_are_counted_by_the_hour_and_by_the_day(database_url: str) -> None:
    async with serve_elixir(database_url, limit_codes_per_address="2/hour,3/day") as server:
        for _ in range(2):
            await server.ask_for_code("ada@example.com")
        answer = await server.post(LOGIN, {"email": "ada@example.com"})
        assert (code_of(answer), answer.headers["retry-after"]) == (1140, "3600")
        server.clock.advance(seconds=3600)
        await server.ask_for_code("ada@example.com")
        answer = await server.post(LOGIN, {"email": "ada@example.com"})
        assert (code_of(answer), answer.headers["retry-after"]) == (1140, str(23 * 3600))


async def test_a_known_client_is_not_delayed_by_strangers(database_url: str) -> None:
    async with serve_elixir(database_url, limit_codes_per_address="2/hour") as server:
        await server.sign_in("ada@example.com")
        async with calling_from(server, "198.51.100.7") as stranger, calling_from(server, "198.51.100.8") as other:
            await stranger.ask_for_code("ada@example.com")
            assert code_of(await stranger.post(LOGIN, {"email": "ada@example.com"})) == 1140
            assert code_of(await other.post(LOGIN, {"email": "ada@example.com"})) == 1140
        await server.sign_in("ada@example.com")


async def test_a_client_is_forgotten_after_ninety_days(database_url: str) -> None:
    async with serve_elixir(database_url, limit_codes_per_address="1/hour") as server:
        await server.sign_in("ada@example.com")
        server.clock.advance(seconds=90 * 86400)
        async with calling_from(server, "198.51.100.7") as stranger:
            await stranger.ask_for_code("ada@example.com")
        assert code_of(await server.post(LOGIN, {"email": "ada@example.com"})) == 1140


async def test_a_client_that_asks_for_many_addresses_is_put_off_before_its_body_is_read(database_url: str) -> None:
    async with serve_elixir(database_url, limit_login_per_client="2/hour") as server:
        await server.ask_for_code("ada@example.com")
        await server.ask_for_code("grace@example.com")
        assert code_of(await server.post(LOGIN, {"email": "alan@example.com"})) == 1140
        assert code_of(await server.post(LOGIN, ["not an object"])) == 1140
        async with calling_from(server, "198.51.100.7") as elsewhere:
            await elsewhere.ask_for_code("alan@example.com")

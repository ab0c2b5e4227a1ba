"""E2: trade a transaction and its code for a session."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from answers import another, ban, calling_from, code_of, data_of, error_of, serve_elixir, unban

from gatepass.core import sessions, teams, users
from gatepass.core.addresses import Address
from harness import LOGIN, USERINFO, VERIFY, Server

INVALID_CREDENTIALS = {"status": 400, "code": 1000, "message": "Invalid Credentials!"}


async def ask(server: Server, email: str = "ada@example.com") -> tuple[dict[str, Any], str]:
    """The body that verifies, and its code."""
    asked = await server.ask_for_code(email)
    return {"transactionId": asked["transactionId"], "code": asked["userCode"]}, asked["userCode"]


async def test_a_bundle_has_the_documented_members_and_consistent_times(server: Server) -> None:
    body, _ = await ask(server)
    bundle = data_of(await server.post(VERIFY, body))
    assert list(bundle) == ["token", "tokenExpiry", "tokenLifeMS", "refreshToken", "user", "newAccount"]
    assert bundle["user"].keys() == {"_id", "status", "banReason"}
    assert (bundle["user"]["status"], bundle["user"]["banReason"]) == ("ACTIVE", None)
    assert bundle["tokenExpiry"] - bundle["tokenLifeMS"] == server.clock.now()
    assert 3_240_000 <= bundle["tokenLifeMS"] <= 3_600_000
    assert len(bundle["refreshToken"]) == 72
    assert set(bundle["refreshToken"]) <= set("0123456789abcdef")


async def test_an_account_is_new_once(server: Server) -> None:
    assert (await server.sign_in()).bundle["newAccount"] is True
    assert (await server.sign_in()).bundle["newAccount"] is False


async def test_a_verified_code_proves_the_mailbox(server: Server) -> None:
    user = await server.runtime.transact(
        lambda unit: users.create(unit, server.team.id, address=Address.parse("ada@example.com"))
    )
    assert user.email_verified is False
    phone = await server.sign_in("ada@example.com")
    assert phone.bundle["user"]["_id"] == str(user.id)
    assert data_of(await phone.userinfo())["email_verified"] is True


@pytest.mark.parametrize(
    "spelled",
    [
        lambda code: f"{code[:3]} {code[3:]}",
        lambda code: f"{code[:3]}-{code[3:]}",
        lambda code: f" {code}\u00a0\n",
        lambda code: f"{code[:3]}\u2013{code[3:]}",
        lambda code: code.translate({48 + digit: 0xFF10 + digit for digit in range(10)}),
        lambda code: code.translate({48 + digit: 0x0660 + digit for digit in range(10)}),
    ],
    ids=["space", "hyphen", "blanks around", "dash", "full-width", "arabic-indic"],
)
async def test_a_code_is_good_however_it_is_written(sqlite_server: Server, spelled: Any) -> None:
    body, code = await ask(sqlite_server)
    data_of(await sqlite_server.post(VERIFY, {**body, "code": spelled(code)}))


async def test_five_wrong_guesses_lock_a_transaction_for_good(server: Server) -> None:
    body, code = await ask(server)
    wrong = {**body, "code": another(code)}
    answers = [code_of(await server.post(VERIFY, wrong)) for _ in range(5)]
    assert answers == [1000, 1000, 1000, 1000, 1111]
    assert error_of(await server.post(VERIFY, body)) == {"status": 400, "code": 1111, "message": "Too many attempts"}
    server.clock.advance(seconds=601)
    assert code_of(await server.post(VERIFY, body)) == 1111


async def test_a_code_of_five_digits_has_three_guesses(server: Server) -> None:
    await server.runtime.transact(lambda unit: teams.change(unit, server.team.id, code_length=5))
    body, code = await ask(server)
    assert len(code) == 5
    wrong = {**body, "code": another(code)}
    assert [code_of(await server.post(VERIFY, wrong)) for _ in range(3)] == [1000, 1000, 1111]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "12\x003456", "1" * 5000, "-", "²²²²²²", "¼23456"])
async def test_what_cannot_be_a_code_is_no_guess(server: Server, code: str) -> None:
    body, _ = await ask(server)
    for _ in range(6):
        assert error_of(await server.post(VERIFY, {**body, "code": code})) == INVALID_CREDENTIALS
    data_of(await server.post(VERIFY, body))


async def test_a_code_is_spent_by_its_first_use(server: Server) -> None:
    body, _ = await ask(server)
    data_of(await server.post(VERIFY, body))
    assert error_of(await server.post(VERIFY, body)) == INVALID_CREDENTIALS


@pytest.mark.parametrize("name", ["7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34", "x", "", "\x00", "{}" * 30, "0" * 128])
async def test_an_unknown_transaction_is_refused_like_a_wrong_code(server: Server, name: str) -> None:
    assert error_of(await server.post(VERIFY, {"transactionId": name, "code": "123456"})) == INVALID_CREDENTIALS


async def test_a_code_expires_and_stays_expired_when_the_clock_goes_back(server: Server) -> None:
    body, _ = await ask(server)
    server.clock.advance(ms=600_000)
    expired = {"status": 400, "code": 1110, "message": "Code expired"}
    assert error_of(await server.post(VERIFY, body)) == expired
    server.clock.advance(seconds=-600)
    assert error_of(await server.post(VERIFY, body)) == expired


async def test_a_code_is_good_to_its_last_millisecond(server: Server) -> None:
    body, _ = await ask(server)
    server.clock.advance(ms=599_999)
    data_of(await server.post(VERIFY, body))


async def test_other_applications_and_environments_neither_use_nor_guess_a_code(server: Server) -> None:
    body, code = await ask(server)
    _, foreign_key, _ = await server.new_team("Other")
    for key in (foreign_key, server.production_key):
        for guess in (code, another(code)):
            for _ in range(5):
                refused = await server.post(VERIFY, {**body, "code": guess}, key=key)
                assert error_of(refused) == INVALID_CREDENTIALS
    data_of(await server.post(VERIFY, body))


async def test_a_banned_owner_reads_the_reason_and_the_code_is_spent(server: Server) -> None:
    user_id = (await server.sign_in()).bundle["user"]["_id"]
    body, code = await ask(server)
    await ban(server, user_id, "cheating in Straße 7")
    assert code_of(await server.post(VERIFY, {**body, "code": another(code)})) == 1000
    assert error_of(await server.post(VERIFY, body)) == {
        "status": 400,
        "code": 1130,
        "message": "Account suspended",
        "banReason": "cheating in Straße 7",
    }
    await unban(server, user_id)
    assert error_of(await server.post(VERIFY, body)) == INVALID_CREDENTIALS
    assert (await server.sign_in()).bundle["newAccount"] is False


async def test_of_twenty_parallel_right_codes_one_opens_a_session(server: Server) -> None:
    body, _ = await ask(server)
    answers = await asyncio.gather(*(server.post(VERIFY, body) for _ in range(20)))
    winners = [answer for answer in answers if answer.status_code == 200]
    assert len(winners) == 1
    assert {code_of(answer) for answer in answers if answer not in winners} == {1000}
    user_id = UUID(data_of(winners[0])["user"]["_id"])
    opened = await server.runtime.read(lambda unit: sessions.list_of_user(unit, server.team.id, user_id))
    assert len(opened) == 1


async def test_of_twenty_parallel_wrong_codes_five_are_evaluated(server: Server) -> None:
    body, code = await ask(server)
    guesses = [another(code, by) for by in range(1, 20)]
    answers = await asyncio.gather(*(server.post(VERIFY, {**body, "code": guess}) for guess in guesses))
    assert sorted(code_of(answer) for answer in answers) == [1000] * 4 + [1111] * 15  # type: ignore[type-var]


async def test_a_device_names_itself_in_at_most_255_printable_characters(server: Server) -> None:
    phone = await server.sign_in(deviceModel="Pixel\x00\u202e 9" + "x" * 300, deviceUniqueIdentifier="n/a")
    user_id = UUID(phone.bundle["user"]["_id"])
    (session,) = await server.runtime.read(lambda unit: sessions.list_of_user(unit, server.team.id, user_id))
    assert session.device_model == ("Pixel 9" + "x" * 300)[:255]
    assert session.device_id == "n/a"


async def test_the_same_device_twice_is_two_sessions(server: Server) -> None:
    first = await server.sign_in(deviceUniqueIdentifier="n/a")
    second = await server.sign_in(deviceUniqueIdentifier="n/a")
    await second.sign_out()
    data_of(await first.userinfo())


async def test_the_account_is_readable_by_every_endpoint_when_the_call_returns(server: Server) -> None:
    phone = await server.sign_in()
    info = data_of(await server.client.get(USERINFO, headers=phone.bearer))
    assert info["sub"] == phone.bundle["user"]["_id"]
    data_of(await phone.refresh())


async def test_wrong_guesses_of_an_address_are_counted_over_all_its_transactions(database_url: str) -> None:
    async with serve_elixir(database_url, limit_wrong_codes_per_address="3/day") as server:
        for _ in range(3):
            body, code = await ask(server)
            assert code_of(await server.post(VERIFY, {**body, "code": another(code)})) == 1000
        body, _ = await ask(server)
        answer = await server.post(VERIFY, body)
        assert (code_of(answer), answer.headers["retry-after"]) == (1140, "86400")
        server.clock.advance(seconds=86_400)
        await server.sign_in()


async def test_strangers_cannot_spend_the_guesses_of_a_known_client(database_url: str) -> None:
    async with serve_elixir(database_url, limit_wrong_codes_per_address="2/day") as server:
        await server.sign_in()
        async with calling_from(server, "198.51.100.7") as stranger:
            body, code = await ask(stranger)
            answers = [code_of(await stranger.post(VERIFY, {**body, "code": another(code)})) for _ in range(3)]
            assert answers == [1000, 1000, 1140]
        await server.sign_in()


async def test_a_right_code_costs_a_client_nothing(database_url: str) -> None:
    limits = {"limit_wrong_codes_per_client": "2/hour", "limit_wrong_codes_per_address": "2/day"}
    async with serve_elixir(database_url, **limits) as server:
        for _ in range(4):
            await server.sign_in()


async def test_a_client_that_guesses_transactions_is_put_off(database_url: str) -> None:
    async with serve_elixir(database_url, limit_wrong_codes_per_client="2/hour") as server:
        unknown = {"transactionId": "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34", "code": "123456"}
        assert [code_of(await server.post(VERIFY, unknown)) for _ in range(3)] == [1000, 1000, 1140]
        body, _ = await ask(server)
        assert code_of(await server.post(VERIFY, body)) == 1140
        async with calling_from(server, "198.51.100.7") as elsewhere:
            data_of(await elsewhere.post(VERIFY, body))


async def test_a_review_account_has_its_fixed_code_and_gets_no_mail_until_the_end_of_its_last_day(
    database_url: str,
) -> None:
    async with serve_elixir(database_url, review_accounts="review@example.com:424242:2026-09-21") as server:
        asked = data_of(await server.post(LOGIN, {"email": "Review@example.com"}, key=server.production_key))
        assert await server.deliver() == []
        body = {"transactionId": asked["transactionId"], "code": "424242"}
        assert data_of(await server.post(VERIFY, body, key=server.production_key))["newAccount"] is True

        other = await server.ask_for_code("ada@example.com", key=server.production_key)
        body = {"transactionId": other["transactionId"], "code": "424242"}
        (mail,) = await server.deliver()
        assert (mail.code == "424242") is (
            (await server.post(VERIFY, body, key=server.production_key)).status_code == 200
        )

        server.clock.advance(seconds=86_400)
        late = await server.ask_for_code("review@example.com", key=server.production_key)
        mails = await server.deliver()
        assert mails[-1].to == "review@example.com"
        body = {"transactionId": late["transactionId"], "code": "424242"}
        assert mails[-1].code == "424242" or code_of(await server.post(VERIFY, body, key=server.production_key)) == 1000


async def test_a_review_account_is_locked_by_wrong_guesses_and_shut_out_by_a_closed_sign_up(database_url: str) -> None:
    async with serve_elixir(database_url, review_accounts="review@example.com:424242:2026-09-21") as server:
        asked = await server.ask_for_code("review@example.com")
        body = {"transactionId": asked["transactionId"], "code": "424242"}
        for _ in range(5):
            await server.post(VERIFY, {**body, "code": "424243"})
        assert code_of(await server.post(VERIFY, body)) == 1111
        await server.runtime.transact(lambda unit: teams.change(unit, server.team.id, sign_up=teams.SignUp.CLOSED))
        asked = await server.ask_for_code("review@example.com")
        body["transactionId"] = asked["transactionId"]
        assert code_of(await server.post(VERIFY, body)) == 1000

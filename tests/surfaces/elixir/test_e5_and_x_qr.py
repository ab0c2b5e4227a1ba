"""E5 and X1 to X3: a signed-in device shows a value, another scans it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from answers import ban, calling_from, code_of, data_of, error_of, serve_elixir, unban

from gatepass.core import sessions
from harness import ACCOUNT_QR, QR_VERIFY, Phone, Server

INVALID_CREDENTIALS = {"status": 400, "code": 1000, "message": "Invalid Credentials!"}


async def show(phone: Phone) -> dict[str, Any]:
    """X1."""
    return data_of(await phone.server.client.post(ACCOUNT_QR, headers=phone.bearer))


async def look(phone: Phone, qr_id: str) -> dict[str, Any]:
    """X2."""
    return data_of(await phone.server.client.get(f"{ACCOUNT_QR}/{qr_id}", headers=phone.bearer))


async def cancel(phone: Phone, qr_id: str) -> dict[str, Any]:
    """X3."""
    return data_of(await phone.server.client.delete(f"{ACCOUNT_QR}/{qr_id}", headers=phone.bearer))


async def test_a_scanned_value_opens_a_session_of_its_own_and_the_issuer_is_told(server: Server) -> None:
    phone = await server.sign_in()
    shown = await show(phone)
    assert shown["qrValue"].startswith("REIKEY:")
    assert (shown["expiresAt"], shown["lifeMS"]) == (server.clock.now() + 120_000, 120_000)
    assert await look(phone, shown["qrId"]) == {"state": "PENDING"}

    body = {"qrValue": shown["qrValue"], "deviceModel": "Deck", "deviceUniqueIdentifier": "n/a"}
    bundle = data_of(await server.post(QR_VERIFY, body))
    assert list(bundle) == ["token", "tokenExpiry", "tokenLifeMS", "refreshToken"]
    assert await look(phone, shown["qrId"]) == {"state": "CONSUMED", "deviceModel": "Deck"}

    scanner = Phone(server, server.development_key, bundle)
    me = data_of(await phone.userinfo())
    assert data_of(await scanner.userinfo())["sub"] == me["sub"]
    await phone.sign_out()
    data_of(await scanner.refresh())
    opened = await server.runtime.read(lambda unit: sessions.list_of_user(unit, server.team.id, UUID(me["sub"])))
    (scanned,) = [session for session in opened if session.proof == "qr"]
    assert scanned.opened_by in {session.id for session in opened if session.proof == "otp"}


@pytest.mark.parametrize("spell", [str, str.lower, str.upper, lambda bare: f" \t{bare}\n"])
@pytest.mark.parametrize("prefix", ["REIKEY:", ""])
async def test_the_bare_value_and_surrounding_blanks_are_accepted(server: Server, spell: Any, prefix: str) -> None:
    bare = (await show(await server.sign_in()))["qrValue"].removeprefix("REIKEY:")
    spelled = spell(bare)
    blank = spelled[: len(spelled) - len(spelled.lstrip())]
    data_of(await server.post(QR_VERIFY, {"qrValue": f"{blank}{prefix}{spelled.lstrip()}"}))


async def test_a_value_is_good_once(server: Server) -> None:
    body = {"qrValue": (await show(await server.sign_in()))["qrValue"]}
    data_of(await server.post(QR_VERIFY, body))
    assert error_of(await server.post(QR_VERIFY, body)) == INVALID_CREDENTIALS


async def test_of_twenty_parallel_scans_one_opens_a_session(server: Server) -> None:
    body = {"qrValue": (await show(await server.sign_in()))["qrValue"]}
    answers = await asyncio.gather(*(server.post(QR_VERIFY, body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    assert {code_of(answer) for answer in answers if answer.status_code == 400} == {1000}


async def test_a_value_expires_and_stays_expired_when_the_clock_goes_back(server: Server) -> None:
    phone = await server.sign_in()
    watched, scanned = await show(phone), await show(await server.sign_in())
    server.clock.advance(seconds=120)
    assert await look(phone, watched["qrId"]) == {"state": "EXPIRED"}
    assert error_of(await server.post(QR_VERIFY, {"qrValue": scanned["qrValue"]})) == INVALID_CREDENTIALS
    server.clock.advance(seconds=-120)
    for shown in (watched, scanned):
        assert error_of(await server.post(QR_VERIFY, {"qrValue": shown["qrValue"]})) == INVALID_CREDENTIALS
    assert await cancel(phone, watched["qrId"]) == {"state": "EXPIRED"}


async def test_a_cancelled_value_is_worthless_and_cancelling_twice_is_once(server: Server) -> None:
    phone = await server.sign_in()
    shown = await show(phone)
    for _ in range(2):
        assert await cancel(phone, shown["qrId"]) == {"state": "CANCELLED"}
    assert await look(phone, shown["qrId"]) == {"state": "CANCELLED"}
    assert error_of(await server.post(QR_VERIFY, {"qrValue": shown["qrValue"]})) == INVALID_CREDENTIALS


async def test_cancelling_what_was_scanned_changes_nothing(server: Server) -> None:
    phone = await server.sign_in()
    shown = await show(phone)
    data_of(await server.post(QR_VERIFY, {"qrValue": shown["qrValue"]}))
    assert await cancel(phone, shown["qrId"]) == {"state": "CONSUMED"}


async def test_a_new_value_cancels_the_unused_one_before_it(server: Server) -> None:
    phone = await server.sign_in()
    first, second = await show(phone), await show(phone)
    assert await look(phone, first["qrId"]) == {"state": "CANCELLED"}
    assert error_of(await server.post(QR_VERIFY, {"qrValue": first["qrValue"]})) == INVALID_CREDENTIALS
    data_of(await server.post(QR_VERIFY, {"qrValue": second["qrValue"]}))


async def test_another_environment_or_application_cannot_scan_and_uses_nothing_up(server: Server) -> None:
    body = {"qrValue": (await show(await server.sign_in()))["qrValue"]}
    _, foreign_key, _ = await server.new_team("Other")
    for key in (server.production_key, foreign_key):
        assert error_of(await server.post(QR_VERIFY, body, key=key)) == INVALID_CREDENTIALS
    data_of(await server.post(QR_VERIFY, body))


async def test_a_value_dies_with_the_session_that_showed_it(server: Server) -> None:
    phone = await server.sign_in()
    body = {"qrValue": (await show(phone))["qrValue"]}
    await phone.sign_out()
    assert error_of(await server.post(QR_VERIFY, body)) == INVALID_CREDENTIALS


async def test_a_banned_scanner_reads_the_reason(server: Server) -> None:
    phone = await server.sign_in()
    body = {"qrValue": (await show(phone))["qrValue"]}
    await ban(server, phone.bundle["user"]["_id"])
    banned = {"status": 400, "code": 1130, "message": "Account suspended", "banReason": "cheating"}
    assert error_of(await server.post(QR_VERIFY, body)) == banned


async def test_an_unban_revives_no_value(server: Server) -> None:
    phone = await server.sign_in()
    body = {"qrValue": (await show(phone))["qrValue"]}
    await ban(server, phone.bundle["user"]["_id"])
    await unban(server, phone.bundle["user"]["_id"])
    assert error_of(await server.post(QR_VERIFY, body)) == INVALID_CREDENTIALS


async def test_only_the_session_that_showed_a_value_sees_it(server: Server) -> None:
    phone, sibling, stranger = (
        await server.sign_in(),
        await server.sign_in(),
        await server.sign_in("eve@example.com"),
    )
    path = f"{ACCOUNT_QR}/{(await show(phone))['qrId']}"
    for other in (sibling, stranger):
        assert code_of(await server.client.get(path, headers=other.bearer)) == 1150
        assert code_of(await server.client.delete(path, headers=other.bearer)) == 1150
    assert code_of(await server.client.get(path, headers={"x-api-key": server.development_key})) == 1000
    assert await look(phone, path.rpartition("/")[2]) == {"state": "PENDING"}


@pytest.mark.parametrize("value", ["", "REIKEY:", "REIKEY:x", "reikey:7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34", "\x00"])
async def test_what_is_no_value_is_refused_like_a_used_one(server: Server, value: str) -> None:
    assert error_of(await server.post(QR_VERIFY, {"qrValue": value})) == INVALID_CREDENTIALS


async def test_wrong_values_count_against_a_client_and_right_ones_do_not(database_url: str) -> None:
    async with serve_elixir(database_url, limit_wrong_codes_per_client="2/hour") as server:
        phone = await server.sign_in()
        for _ in range(3):
            data_of(await server.post(QR_VERIFY, {"qrValue": (await show(phone))["qrValue"]}))
        wrong = {"qrValue": "REIKEY:7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"}
        assert [code_of(await server.post(QR_VERIFY, wrong)) for _ in range(3)] == [1000, 1000, 1140]
        async with calling_from(server, "198.51.100.7") as elsewhere:
            data_of(await elsewhere.post(QR_VERIFY, {"qrValue": (await show(phone))["qrValue"]}))

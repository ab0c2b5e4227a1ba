"""Fifty at once, on two processes: everything that works once works exactly once, and nobody is turned away."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit
from uuid import UUID

import jwt
import pytest
from sqlalchemy import func, select

from gatepass.core import audit, users
from gatepass.core import sessions as core_sessions
from gatepass.core.otp import otp_transactions
from gatepass.core.refresh_tokens import parse
from gatepass.core.sessions import sessions
from gatepass.core.unit import Unit
from harness import ACCOUNT_QR, LOGIN, QR_VERIFY, REFRESH, USERINFO, VERIFY
from pair import MANY, Pair, outcomes


def session_id(bundle: dict[str, str]) -> UUID:
    return UUID(jwt.decode(bundle["token"], options={"verify_signature": False})["sid"])


async def test_fifty_uses_of_one_refresh_token_get_one_successor(pair: Pair) -> None:
    bundle = await pair.sign_in("ada@example.com")
    for generation in range(1, 4):
        answers = await pair.at_once(REFRESH, *[{"refreshToken": bundle["refreshToken"]}] * MANY)
        assert outcomes(answers) == {200: MANY}
        successors = {answer.json()["data"]["refreshToken"] for answer in answers}
        assert len(successors) == 1
        bundle = answers[0].json()["data"]
        assert parse(pair.runtime.secret, bundle["refreshToken"]).generation == generation
    row = await pair.runtime.read(lambda unit: core_sessions.get(unit, session_id(bundle)))
    assert (row.generation, row.late_replays, row.ended_at) == (3, 0, None)


async def test_fifty_right_codes_open_one_session(pair: Pair) -> None:
    code = await pair.ask("ada@example.com")
    assert outcomes(await pair.at_once(VERIFY, *[code] * MANY)) == {200: 1, 1000: MANY - 1}
    assert await pair.sessions() == 1


async def test_fifty_wrong_codes_are_five_guesses(pair: Pair) -> None:
    right = await pair.ask("ada@example.com")
    wrong = [{**right, "code": f"{(int(right['code']) + guess) % 10**6:06d}"} for guess in range(1, MANY + 1)]
    assert outcomes(await pair.at_once(VERIFY, *wrong)) == {1000: 4, 1111: MANY - 4}

    async def attempts(unit: Unit) -> int | None:
        return await unit.db.scalar(
            select(otp_transactions.c.attempts).where(otp_transactions.c.id == UUID(right["transactionId"]))
        )

    assert await pair.runtime.read(attempts) == 5
    assert outcomes(await pair.at_once(VERIFY, right)) == {1111: 1}
    assert await pair.sessions() == 0


async def test_fifty_scans_of_one_value_open_one_session(pair: Pair) -> None:
    issuer = await pair.sign_in("ada@example.com")
    shown = (await pair.post(ACCOUNT_QR, None, bearer=issuer["token"])).json()["data"]
    scans = [{"qrValue": shown["qrValue"], "deviceModel": f"Phone {number}"} for number in range(MANY)]
    assert outcomes(await pair.at_once(QR_VERIFY, *scans)) == {200: 1, 1000: MANY - 1}
    assert await pair.sessions(sessions.c.proof == "qr") == 1


async def test_of_fifty_values_shown_at_once_by_one_session_one_is_good(pair: Pair) -> None:
    issuer = await pair.sign_in("ada@example.com")
    shown = await asyncio.gather(
        *(pair.post(ACCOUNT_QR, None, at=number, bearer=issuer["token"]) for number in range(MANY))
    )
    assert outcomes(shown) == {200: MANY}
    scans = [{"qrValue": answer.json()["data"]["qrValue"]} for answer in shown]
    assert outcomes([await pair.post(QR_VERIFY, scan) for scan in scans]) == {200: 1, 1000: MANY - 1}


async def test_fifty_first_sign_ins_of_one_mailbox_make_one_account(pair: Pair) -> None:
    async def ask(number: int) -> dict[str, str]:
        return await pair.ask(f"Ada@Example{'.com' if number else '.COM'}")

    codes = [await ask(number) for number in range(10)]
    answers = await pair.at_once(VERIFY, *codes)
    assert outcomes(answers) == {200: 10}
    bundles = [answer.json()["data"] for answer in answers]
    assert sum(bundle["newAccount"] for bundle in bundles) == 1
    assert len({bundle["user"]["_id"] for bundle in bundles}) == 1

    async def accounts(unit: Unit) -> int | None:
        return await unit.db.scalar(
            select(func.count()).select_from(users.users).where(users.users.c.team_id == pair.team_id)
        )

    assert await pair.runtime.read(accounts) == 1


async def test_a_ban_in_flight_leaves_no_session_open(pair: Pair) -> None:
    """Each sign-in is either refused, or seen by the ban and ended."""
    bundle = await pair.sign_in("ada@example.com")
    user_id = UUID(bundle["user"]["_id"])
    codes = [await pair.ask("ada@example.com") for _ in range(9)]

    async def ban() -> None:
        await asyncio.sleep(0.02)
        await pair.runtime.transact(lambda unit: users.ban(unit, pair.team_id, user_id, "cheating"))

    refreshing = pair.at_once(REFRESH, *[{"refreshToken": bundle["refreshToken"]}] * MANY)
    signed_in, refreshed, _ = await asyncio.gather(pair.at_once(VERIFY, *codes), refreshing, ban())
    assert outcomes(signed_in).keys() <= {200, 1130}
    assert outcomes(refreshed).keys() <= {200, 1130}
    assert await pair.sessions(sessions.c.ended_at.is_(None)) == 0
    for number, answer in enumerate([*signed_in, *refreshed]):
        if answer.status_code == 200:
            token = {"refreshToken": answer.json()["data"]["refreshToken"]}
            assert outcomes([await pair.post(REFRESH, token, at=number)]) == {1130: 1}


async def test_limits_are_exact_across_processes(pair: Pair) -> None:
    answers = await pair.at_once(LOGIN, *[{"email": "ada@example.com"}] * MANY)
    assert outcomes(answers) == {200: 10, 1140: MANY - 10}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status_code == 429)


async def test_refreshing_and_reading_mix_without_a_single_failure(pair: Pair) -> None:
    """Twenty phones refresh twice and use what they got, all at once: receipts, rotations and reads share the rows."""
    bundles = [await pair.sign_in(f"phone-{number}@example.com") for number in range(20)]

    async def live(number: int) -> list[int]:
        held, statuses = bundles[number], []
        for at in (number, number + 1):
            answer = await pair.post(REFRESH, {"refreshToken": held["refreshToken"]}, at=at)
            statuses.append(answer.status_code)
            held = answer.json()["data"]
            headers = {"x-api-key": pair.key, "authorization": f"Bearer {held['token']}"}
            seen = [pair.client.get(process.url + USERINFO, headers=headers) for process in pair.processes]
            statuses += [answer.status_code for answer in await asyncio.gather(*seen)]
        return statuses

    statuses = await asyncio.gather(*(live(number) for number in range(20)))
    assert statuses == [[200] * 6] * 20


async def test_a_caller_who_hung_up_while_queueing_ends_no_session(pair: Pair) -> None:
    """A phone that gave up waiting must not find, on its retry, that its own abandoned request was taken for theft."""
    bundle = await pair.sign_in("ada@example.com")
    spent = bundle["refreshToken"]
    for number in range(6):
        bundle = (await pair.post(REFRESH, {"refreshToken": bundle["refreshToken"]}, at=number)).json()["data"]

    async def hold(unit: Unit) -> None:
        await unit.db.execute(select(sessions).where(sessions.c.id == session_id(bundle)).with_for_update())
        await asyncio.to_thread(_send_and_hang_up, pair, spent)
        await asyncio.sleep(0.2)

    for _ in range(5):
        await pair.runtime.transact(hold)
        if await _was_unheard(pair, session_id(bundle)):
            break
    else:
        pytest.fail("no abandoned request got as far as the session")
    row = await pair.runtime.read(lambda unit: core_sessions.get(unit, session_id(bundle)))
    assert row.ended_at is None
    assert outcomes([await pair.post(REFRESH, {"refreshToken": bundle["refreshToken"]})]) == {200: 1}


async def _was_unheard(pair: Pair, session: UUID) -> bool:
    for _ in range(20):
        events = await pair.runtime.read(lambda unit: audit.list_events(unit, audit.Filter(session_id=session)))
        if events[0].event is audit.Event.REUSE_UNHEARD:
            return True
        await asyncio.sleep(0.1)
    return False


def _send_and_hang_up(pair: Pair, token: str) -> None:
    address = urlsplit(pair.processes[0].url)
    body = f'{{"refreshToken":"{token}"}}'
    head = f"POST {REFRESH} HTTP/1.1\r\nhost: x\r\nx-api-key: {pair.key}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0)) as phone:
        phone.sendall((head + body).encode())
        phone.settimeout(0.8)
        with pytest.raises(TimeoutError):
            phone.recv(1)

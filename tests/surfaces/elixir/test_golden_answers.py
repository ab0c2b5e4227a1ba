"""The bytes of every answer, as they stand in tests/wire/elixir: status line, headers, body.

What differs from call to call is written `<uuid>`, `<ms>`, `<jwt>`, ... there; everything else is compared byte for
byte. After a deliberate change, delete the file: the next run writes it anew, and fails, so that someone reads it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from answers import another, ban, change_user, data_of, serve_elixir, serve_scratch

from gatepass.core import teams
from harness import ACCOUNT_QR, LOGIN, QR_VERIFY, REFRESH, REIKEY, SIGN_OUT, USERINFO, VERIFY, Server

WIRE = Path(__file__).parents[2] / "wire" / "elixir"
VOLATILE = {
    "jwt": r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "refresh token": r"[0-9a-f]{72}",
    "nickname": r"player-[0-9]{8}",
    "expiry in ms": r"(?<=\"tokenExpiry\":)179000[0-9]{7}",
    "expiry in seconds": r"(?<=\"exp\":)179000[0-9]{4}",
    "life in ms": r"(?<=\"tokenLifeMS\":)3[2-6][0-9]{5}",
    "code": r"(?<=\"userCode\":\")[0-9]{6}",
}


def written(answer: httpx.Response) -> str:
    """*answer* as its golden file has it."""
    shown = ("content-type", "cache-control", "allow", "retry-after")
    lines = [f"HTTP/1.1 {answer.status_code}"]
    lines += [f"{name}: {answer.headers[name]}" for name in shown if name in answer.headers]
    text = "\n".join([*lines, "", answer.text, ""])
    for name, pattern in VOLATILE.items():
        text = re.sub(pattern, f"<{name}>", text)
    return text


def is_golden(name: str, answer: httpx.Response) -> None:
    """Compare with the golden file *name*, which ends in the status and, where there are several, the case."""
    assert str(answer.status_code) in name.split(".")
    golden = WIRE / f"{name}.http"
    if not golden.exists():
        golden.write_text(written(answer), encoding="utf-8")
        pytest.fail(f"{golden.name} is new: read it, and commit it")
    assert written(answer) == golden.read_text(encoding="utf-8")


@pytest.fixture
async def patient(database_url: str) -> AsyncIterator[Server]:
    """A server that puts off whoever asks twice."""
    async with serve_elixir(database_url, code_cooldown=30) as running:
        yield running


async def test_signing_in_and_out(server: Server) -> None:
    is_golden(
        "otp-login.200.production", await server.post(LOGIN, {"email": "a@example.com"}, key=server.production_key)
    )
    asked = await server.post(LOGIN, {"email": "ada@example.com"})
    is_golden("otp-login.200.development", asked)
    body = {"transactionId": data_of(asked)["transactionId"], "code": data_of(asked)["userCode"]}
    verified = await server.post(VERIFY, body)
    is_golden("otp-verify.200", verified)
    refreshed = await server.post(REFRESH, {"refreshToken": data_of(verified)["refreshToken"]})
    is_golden("refresh.200", refreshed)
    bearer = {"x-api-key": server.development_key, "authorization": f"Bearer {data_of(refreshed)['token']}"}
    info = await server.client.get(USERINFO, headers=bearer)
    assert f'"iss":"{server.team.id}"' in info.text
    is_golden("userinfo.200", info)
    is_golden("signout.200", await server.client.post(SIGN_OUT, headers=bearer))
    is_golden("credentials.400", await server.client.post(SIGN_OUT, headers=bearer))
    is_golden("refresh.400", await server.post(REFRESH, {"refreshToken": data_of(refreshed)["refreshToken"]}))


async def test_refused_codes(server: Server) -> None:
    asked = await server.ask_for_code("ada@example.com")
    body = {"transactionId": asked["transactionId"], "code": another(asked["userCode"])}
    is_golden("credentials.400", await server.post(VERIFY, body))
    for _ in range(3):
        await server.post(VERIFY, body)
    is_golden("too-many-attempts.400", await server.post(VERIFY, body))
    asked = await server.ask_for_code("ada@example.com")
    server.clock.advance(seconds=600)
    is_golden("code-expired.400", await server.post(VERIFY, {**body, "transactionId": asked["transactionId"]}))
    is_golden("email.400", await server.post(LOGIN, {"email": "x"}))
    is_golden("body.400", await server.post(LOGIN, []))


async def test_a_value_and_what_becomes_of_it(server: Server) -> None:
    phone = await server.sign_in()
    shown = await server.client.post(ACCOUNT_QR, headers=phone.bearer)
    is_golden("account-qr.200", shown)
    path = f"{ACCOUNT_QR}/{data_of(shown)['qrId']}"
    is_golden("account-qr.pending.200", await server.client.get(path, headers=phone.bearer))
    is_golden(
        "qr-verify.200", await server.post(QR_VERIFY, {"qrValue": data_of(shown)["qrValue"], "deviceModel": "Deck"})
    )
    is_golden("account-qr.consumed.200", await server.client.get(path, headers=phone.bearer))
    path = f"{ACCOUNT_QR}/{data_of(await server.client.post(ACCOUNT_QR, headers=phone.bearer))['qrId']}"
    is_golden("account-qr.cancelled.200", await server.client.delete(path, headers=phone.bearer))
    path = f"{ACCOUNT_QR}/{data_of(await server.client.post(ACCOUNT_QR, headers=phone.bearer))['qrId']}"
    server.clock.advance(seconds=120)
    is_golden("account-qr.expired.200", await server.client.get(path, headers=phone.bearer))


async def test_a_reikey(server: Server) -> None:
    player_id = (await server.sign_in()).bundle["user"]["_id"]
    await change_user(server, player_id, test_user=True, picture="https://example.com/a.png", wallets=["0xabc"])
    await server.runtime.transact(lambda unit: teams.change(unit, server.team.id, owner_id=UUID(player_id)))
    key = {"x-api-key": server.development_key}
    made = await server.client.get(REIKEY, headers=key)
    is_golden("dev-reikey.200", made)
    reikey = data_of(made)["reikey"]
    desktop = await server.client.get(f"/sdk/auth/v2/session/reikey/{reikey}", headers=key)
    is_golden("session-reikey.200", desktop)
    is_golden("session-reikey.400", await server.client.get(f"/sdk/auth/v2/session/reikey/{reikey}", headers=key))
    bearer = {**key, "authorization": f"Bearer {data_of(desktop)['token']}"}
    is_golden("userinfo.full.200", await server.client.get(USERINFO, headers=bearer))
    is_golden("closerei.200", await server.client.get(f"/sdk/auth/v2/session/closerei/{reikey}", headers=bearer))


async def test_refusals_of_any_path(patient: Server) -> None:
    phone = await patient.sign_in()
    is_golden("api-key.400", await patient.client.get(USERINFO))
    await patient.ask_for_code("grace@example.com")
    is_golden("too-many-requests.429", await patient.post(LOGIN, {"email": "grace@example.com"}))
    is_golden("not-found.404", await patient.client.get("/sdk/nope"))
    is_golden("method-not-allowed.405", await patient.client.get(LOGIN))
    is_golden("payload-too-large.413", await patient.client.post(LOGIN, content=b" " * 16_385))
    oldest = phone.refresh_token
    for _ in range(2):
        await phone.refresh()
    is_golden("unavailable.503", await patient.post(REFRESH, {"refreshToken": oldest}))
    await ban(patient, phone.bundle["user"]["_id"], 'Says "Straße"')
    is_golden("suspended.400", await phone.refresh())


async def test_a_fault_of_ours(tmp_path: Path) -> None:
    async with serve_scratch(tmp_path) as (server, drop):
        drop("api_keys")
        is_golden("fault.500", await server.client.get(USERINFO, headers={"x-api-key": server.development_key}))

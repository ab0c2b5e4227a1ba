"""I1 to I7 and section 2 where no endpoint is reached, or the server itself is in trouble.

Every answer of this folder passes through `answers.keeps_the_contract`; here are the statuses that need provoking.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from answers import code_of, data_of, error_of, serve_elixir, serve_scratch
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from gatepass.adapters import database
from gatepass.core import api_keys
from gatepass.core import database_url as urls
from gatepass.core.api_keys import Environment, Kind
from harness import ACCOUNT_QR, LOGIN, QR_VERIFY, REFRESH, REIKEY, SIGN_OUT, USERINFO, VERIFY, Server

ID = "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"
ROUTES: dict[str, tuple[str, ...]] = {
    LOGIN: ("POST",),
    VERIFY: ("POST",),
    REFRESH: ("POST",),
    SIGN_OUT: ("POST",),
    QR_VERIFY: ("POST",),
    USERINFO: ("GET",),
    REIKEY: ("GET",),
    f"/sdk/auth/v2/session/reikey/{ID}": ("GET",),
    f"/sdk/auth/v2/session/closerei/{ID}": ("GET", "POST"),
    ACCOUNT_QR: ("POST",),
    f"{ACCOUNT_QR}/{ID}": ("DELETE", "GET"),
}
CALLS = [(method, path) for path, methods in ROUTES.items() for method in methods]


@pytest.mark.parametrize("path", ROUTES)
async def test_another_method_is_refused_and_told_which_ones_there_are(sqlite_server: Server, path: str) -> None:
    others = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "BREW"}.difference(ROUTES[path])
    for method in others:
        for spelled in (path, path + "/"):
            answer = await sqlite_server.client.request(method, spelled)
            assert answer.status_code == 405
            assert answer.headers["allow"] == ", ".join(ROUTES[path])
            assert method == "HEAD" or code_of(answer) == 1151


@pytest.mark.parametrize(
    "path",
    [
        "/sdk", "/sdk/", "/sdk/nope", "/sdk/v2/userinfo//", "/sdk//v2/userinfo", "/sdk/v2/userinfo%2F", "/sdk/%00",
        "/sdk/%ff", "/sdk/auth/v2/session/reikey", f"/sdk/auth/v2/session/reikey/{ID}/x", "/sdk/auth/v2/signin/otp%2Dx",
        "/sdk/auth/v2/session/reikey/%2F", "/sdk/" + "a" * 60_000, "/sdk/..%2Fadmin", "/sdk/V2/userinfo",
    ],
)  # fmt: skip
async def test_an_unknown_path_is_not_found(sqlite_server: Server, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "OPTIONS", "BREW"):
        assert code_of(await sqlite_server.client.request(method, path)) == 1150


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_every_path_answers_with_and_without_one_trailing_slash(
    sqlite_server: Server, method: str, path: str
) -> None:
    headers = {"x-api-key": sqlite_server.development_key}
    plain, slashed = [
        await sqlite_server.client.request(method, spelled, headers=headers) for spelled in (path, path + "/")
    ]
    assert code_of(plain) not in (1150, 1151)
    assert (plain.status_code, plain.content) == (slashed.status_code, slashed.content)


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_key_is_missing_unknown_secret_or_malformed_all_alike(
    sqlite_server: Server, method: str, path: str
) -> None:
    for key in (None, "", "short", "k" * 16, "k" * 5000, "k" * 15 + "\u00e9", "k" * 16 + " k", "\t"):
        headers = {} if key is None else {"x-api-key": key.encode("latin-1")}
        answer = await sqlite_server.client.request(method, path, headers=headers, content=b"{")
        assert error_of(answer) == {"status": 400, "code": 1001, "message": "Invalid API Key"}
    twice = [("x-api-key", sqlite_server.development_key)] * 2
    assert code_of(await sqlite_server.client.request(method, path, headers=twice)) == 1001


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_body_over_the_limit_is_too_large_announced_or_not_whoever_sends_it(
    sqlite_server: Server, method: str, path: str
) -> None:
    async def chunked() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 1024

    assert code_of(await sqlite_server.client.request(method, path, content=b" " * 16_385)) == 1152
    assert code_of(await sqlite_server.client.request(method, path, content=chunked())) == 1152
    assert code_of(await sqlite_server.client.request(method, path, content=b" " * 16_384)) == 1001


@pytest.mark.parametrize("announced", ["16385", "9" * 400, "9" * 5000, "000000000000000000016385"])
async def test_an_announced_length_over_the_limit_is_enough(sqlite_server: Server, announced: str) -> None:
    answer = await sqlite_server.client.post(LOGIN, content=b"{}", headers={"content-length": announced})
    assert code_of(answer) == 1152


@pytest.mark.parametrize("announced", ["", "-1", "x", "\u00b2", "1e9", "0x9", "00000000000000000000000000002"])
async def test_an_announced_length_that_is_none_is_not_believed(sqlite_server: Server, announced: str) -> None:
    headers = {"content-length": announced.encode("latin-1")}
    assert code_of(await sqlite_server.client.post(LOGIN, content=b"{}", headers=headers)) == 1001


async def test_a_fault_of_ours_is_an_internal_error_that_tells_nothing(tmp_path: Path) -> None:
    fault = {"status": 500, "code": 1190, "message": "Internal error"}
    async with serve_scratch(tmp_path) as (server, drop):
        phone = await server.sign_in()
        drop("otp_transactions", "sessions", "qr_codes")
        assert error_of(await server.post(LOGIN, {"email": "ada@example.com"})) == fault
        assert error_of(await server.post(VERIFY, {"transactionId": ID, "code": "123456"})) == fault
        assert error_of(await server.post(QR_VERIFY, {"qrValue": ID})) == fault
        assert error_of(await phone.refresh()) == fault
        assert error_of(await phone.userinfo()) == fault
        assert error_of(await phone.sign_out()) == fault
        drop("api_keys")
        server.runtime.apps.forget()
        for method, path in CALLS:
            answer = await server.client.request(method, path, headers=phone.bearer)
            assert error_of(answer) == fault


async def test_a_locked_database_is_a_reason_to_come_again_and_changes_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT", 0.05)
    async with serve_elixir(database_url) as server:
        phone = await server.sign_in()
        asked = await server.ask_for_code("ada@example.com")
        body = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
        lock = create_async_engine(urls.parse(database_url), isolation_level="AUTOCOMMIT")
        async with lock.connect() as holder:
            if lock.dialect.name == "sqlite":
                await holder.execute(text("BEGIN IMMEDIATE"))
            else:
                await holder.execute(text("BEGIN"))
                await holder.execute(text("LOCK TABLE otp_transactions, sessions, qr_codes IN ACCESS EXCLUSIVE MODE"))
            later = {"status": 503, "code": 1191, "message": "Temporarily unavailable"}
            assert error_of(await server.post(LOGIN, {"email": "ada@example.com"})) == later
            assert error_of(await server.post(VERIFY, body)) == later
            assert error_of(await phone.refresh()) == later
            assert error_of(await phone.sign_out()) == later
            assert error_of(await server.client.post(ACCOUNT_QR, headers=phone.bearer)) == later
            await holder.execute(text("ROLLBACK"))
        await lock.dispose()
        data_of(await phone.refresh())
        data_of(await server.post(VERIFY, body))


async def test_a_host_header_decides_nothing(sqlite_server: Server) -> None:
    for host in ("[", "a/b?c#d", "x" * 5000, ""):
        answer = await sqlite_server.client.get("/sdk/nope", headers={"host": host})
        assert code_of(answer) == 1150


@pytest.mark.parametrize("length", [16, 1200, 4096])
async def test_a_key_imported_from_another_system_opens_its_app(server: Server, length: int) -> None:
    key = (server.development_key[-16:] + "".join(chr(33 + index % 94) for index in range(length)))[:length]
    await server.runtime.transact(
        lambda unit: api_keys.adopt(unit, server.team.id, Kind.PUBLISHABLE, Environment.DEVELOPMENT, key)
    )
    data_of(await server.post(LOGIN, {"email": "ada@example.com"}, key=key))

"""Every malformed input to every field of every route: refused in the contract's words, nothing written, nothing told.

Each field is tried inside a body that is good otherwise, so that a refusal can only come from that field.
"""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import structlog
from answers import code_of, data_of, error_of
from sqlalchemy import select

from bad_input import BEARERS, CANARY, HALF_CHARACTERS, KEYS, NOT_JSON, STRINGS, WRONG_TYPES, contents
from gatepass.core.sessions import sessions as all_sessions
from harness import ACCOUNT_QR, LOGIN, QR_VERIFY, REFRESH, REIKEY, SIGN_OUT, USERINFO, VERIFY, Phone, Server

ID = "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"

BODY = (1100, "Invalid request body")
EMAIL = (1100, "Invalid email")
CREDENTIALS = (1000, "Invalid Credentials!")
REIKEY_REFUSED = (1000, "Not an activable reikey")
REFRESH_TOKEN = ("INVALID_REFRESH_TOKEN", None)
NOT_FOUND = (1150, "Not found")


@dataclass(frozen=True)
class Field:
    """One field of one route: what it answers to no string at all, and to a string that it cannot use."""

    path: str
    name: str
    not_a_string: tuple[int | str, str | None]
    bad_string: tuple[int | str, str | None] | None
    required: bool = True


FIELDS = [
    Field(LOGIN, "email", EMAIL, EMAIL),
    Field(LOGIN, "locale", BODY, None, required=False),
    Field(VERIFY, "transactionId", BODY, CREDENTIALS),
    Field(VERIFY, "code", BODY, CREDENTIALS),
    Field(VERIFY, "deviceModel", BODY, None, required=False),
    Field(VERIFY, "deviceUniqueIdentifier", BODY, None, required=False),
    Field(REFRESH, "refreshToken", REFRESH_TOKEN, REFRESH_TOKEN),
    Field(QR_VERIFY, "qrValue", BODY, CREDENTIALS),
    Field(QR_VERIFY, "deviceModel", BODY, None, required=False),
    Field(QR_VERIFY, "deviceUniqueIdentifier", BODY, None, required=False),
]


def over(fields: list[Field]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("field", fields, ids=lambda field: f"{field.path.rpartition('/')[2]}.{field.name}")


every_field = over(FIELDS)
every_label = over([field for field in FIELDS if field.bad_string is None])
every_proof = over([field for field in FIELDS if field.bad_string is not None])
every_body = pytest.mark.parametrize("path", [LOGIN, VERIFY, REFRESH, QR_VERIFY])


@dataclass
class Target:
    """A server, a signed-in phone, and a good body for every route."""

    server: Server
    phone: Phone
    good: dict[str, dict[str, str]]
    secrets: list[str]

    async def post(self, path: str, body: bytes, **headers: str) -> tuple[int | str, str | None]:
        """The code and message of a refusal, which holds nothing of what was sent."""
        sent = {"x-api-key": self.server.development_key, **headers}
        answer = await self.server.client.post(path, content=body, headers=sent)
        error = error_of(answer)
        assert CANARY not in answer.text
        return error["code"], error.get("message")

    def body(self, field: Field, fragment: str | None) -> bytes:
        """The good body with *fragment* for the value of *field*, or without it."""
        members = {name: json.dumps(value) for name, value in self.good[field.path].items()}
        members.pop(field.name, None)
        if fragment is not None:
            members[field.name] = fragment
        return ("{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}").encode()


@pytest.fixture
async def target(server: Server) -> Target:
    phone = await server.sign_in()
    asked = await server.ask_for_code("ada@example.com")
    value = data_of(await server.client.post(ACCOUNT_QR, headers=phone.bearer))["qrValue"]
    good = {
        LOGIN: {"email": "grace@example.com", "locale": "en"},
        VERIFY: {"transactionId": asked["transactionId"], "code": asked["userCode"], "deviceModel": "Pixel"},
        REFRESH: {"refreshToken": phone.refresh_token},
        QR_VERIFY: {"qrValue": value, "deviceModel": "Pixel"},
    }
    secrets = [
        asked["userCode"],
        value,
        value.removeprefix("REIKEY:"),
        phone.refresh_token,
        phone.bundle["token"],
        phone.key,
    ]
    return Target(server, phone, good, secrets)


@asynccontextmanager
async def nothing_happens(target: Target, caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """No row is written or changed meanwhile, no secret and nothing that was sent is logged, and no fault of ours."""
    before = await contents(target.server, target.server.team.id)
    with caplog.at_level(logging.DEBUG, "gatepass"), structlog.testing.capture_logs() as structured:
        yield
    logged = repr(structured) + caplog.text
    assert CANARY not in logged
    assert not [secret for secret in target.secrets if secret in logged]
    assert "Fault" not in logged
    assert await contents(target.server, target.server.team.id) == before


@every_field
async def test_what_is_no_string_is_refused(target: Target, field: Field, caplog: pytest.LogCaptureFixture) -> None:
    async with nothing_happens(target, caplog):
        for fragment in WRONG_TYPES:
            assert await target.post(field.path, target.body(field, fragment)) == field.not_a_string, fragment[:80]
        if field.required:
            for fragment in ("null", None):
                assert await target.post(field.path, target.body(field, fragment)) == field.not_a_string


@every_proof
async def test_a_string_that_is_none_of_ours_is_refused(
    target: Target, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        for fragment in (*map(json.dumps, STRINGS), *HALF_CHARACTERS):
            unfit = field.name == "transactionId" and (len(json.loads(fragment)) > 128 or fragment in HALF_CHARACTERS)
            expected = BODY if unfit else field.bad_string
            assert await target.post(field.path, target.body(field, fragment)) == expected, fragment[:80]


@every_label
async def test_a_label_may_be_any_text_and_is_kept_printable(target: Target, field: Field) -> None:
    server, headers = target.server, {"x-api-key": target.server.development_key}
    body = target.body(field, '"\\ud800\\u0000\\u202e' + "\U0001f600" * 1000 + '"')
    data_of(await server.client.post(field.path, content=body, headers=headers))
    opened = await server.runtime.read(
        lambda unit: unit.db.execute(select(all_sessions.c.device_model, all_sessions.c.device_id))
    )
    assert all("\u202e" not in (text or "") and len(text or "") <= 255 for row in opened for text in row)


@every_field
async def test_a_value_that_is_no_json_spoils_the_body(
    target: Target, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        for fragment in NOT_JSON:
            assert await target.post(field.path, target.body(field, fragment)) == BODY, fragment[:80]


@every_field
async def test_a_million_characters_are_too_many(
    target: Target, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        body = target.body(field, json.dumps("x" * 10**6))
        assert await target.post(field.path, body) == (1152, "Payload too large")


@every_field
async def test_a_member_that_comes_twice_spoils_the_body(
    target: Target, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        once = target.body(field, '"x"')
        assert await target.post(field.path, once[:-1] + f',"{field.name}":"x"}}'.encode()) == BODY


def spoiled(good: bytes) -> Iterator[bytes]:
    """Bodies that are no JSON object in UTF-8."""
    yield from (b"", b" ", b"null", b"true", b"0", b'"x"', b"[]", b"[" + good + b"]", b"{", b"{}{}", good[:-1])
    yield from (good + b"x", good + good, good[:-1] + b",}", good.replace(b'"', b"'"), b"email=x", b"<x/>", b"\0" * 9)
    yield from (good.decode().encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"))
    yield from (
        good.replace(b'":"', b'":"\xff'),
        good.replace(b'":"', b'":"\xed\xa0\x80'),
        b"\xc0\xaf",
        gzip.compress(good),
    )
    yield good.replace(b'":"', b'":"\x00')


@every_body
async def test_what_is_no_json_object_in_utf_8_is_refused(
    target: Target, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = json.dumps(target.good[path], separators=(",", ":")).encode()
    async with nothing_happens(target, caplog):
        for body in spoiled(good):
            for media_type in ("application/json", "text/plain"):
                assert await target.post(path, body, **{"content-type": media_type}) == BODY, body[:80]


PATHS = [
    "%00",
    "%ff",
    "%c3%28",
    "x",
    "%20",
    "a" * 60_000,
    ID + "%00",
    f"%7B{ID}%7D",
    f"urn:uuid:{ID}",
    CANARY,
    "%2e%2e",
]


@pytest.mark.parametrize(
    ("method", "prefix", "expected"),
    [
        ("GET", "/sdk/auth/v2/session/reikey/", REIKEY_REFUSED),
        ("GET", "/sdk/auth/v2/session/closerei/", CREDENTIALS),
        ("POST", "/sdk/auth/v2/session/closerei/", CREDENTIALS),
        ("GET", f"{ACCOUNT_QR}/", NOT_FOUND),
        ("DELETE", f"{ACCOUNT_QR}/", NOT_FOUND),
        ("GET", f"{REIKEY}?playerId=", CREDENTIALS),
    ],
)
async def test_an_id_in_the_path_that_is_none_is_refused(
    target: Target, method: str, prefix: str, expected: tuple[int | str, str | None], caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        for part in PATHS:
            answer = await target.server.client.request(method, prefix + part, headers=target.phone.bearer)
            error = error_of(answer)
            assert (error["code"], error.get("message")) == expected, part[:80]
            assert CANARY not in answer.text
        if "?" not in prefix:
            answer = await target.server.client.request(method, f"{prefix}x%2Fy", headers=target.phone.bearer)
            assert code_of(answer) == 1150


CALLS = [
    ("POST", LOGIN), ("POST", VERIFY), ("POST", REFRESH), ("POST", SIGN_OUT), ("POST", QR_VERIFY), ("GET", USERINFO),
    ("GET", REIKEY), ("GET", f"/sdk/auth/v2/session/reikey/{ID}"), ("POST", f"/sdk/auth/v2/session/closerei/{ID}"),
    ("POST", ACCOUNT_QR), ("GET", f"{ACCOUNT_QR}/{ID}"), ("DELETE", f"{ACCOUNT_QR}/{ID}"),
]  # fmt: skip
BEARER_CALLS = [
    call for call in CALLS if call[1] in (SIGN_OUT, USERINFO) or "closerei" in call[1] or ACCOUNT_QR in call[1]
]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_key_that_is_none_of_ours_opens_nothing(
    target: Target, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    bearer = target.phone.bearer["authorization"]
    good = json.dumps(target.good.get(path, {})).encode()
    async with nothing_happens(target, caplog):
        for key in KEYS:
            headers = {"x-api-key": key.encode("latin-1"), "authorization": bearer.encode()}
            answer = await target.server.client.request(method, path, headers=headers, content=good)
            assert error_of(answer) == {"status": 400, "code": 1001, "message": "Invalid API Key"}
        twice = [("x-api-key", target.phone.key), ("x-api-key", CANARY), ("authorization", bearer)]
        for headers_twice in (twice, [twice[1], twice[0], twice[2]]):
            answer = await target.server.client.request(method, path, headers=headers_twice, content=good)
            assert code_of(answer) == 1001


@pytest.mark.parametrize(("method", "path"), BEARER_CALLS)
async def test_a_bearer_that_is_none_of_ours_does_nothing(
    target: Target, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        for bearer in BEARERS:
            headers = {"x-api-key": target.phone.key.encode(), "authorization": bearer.encode("latin-1")}
            answer = await target.server.client.request(method, path, headers=headers)
            assert error_of(answer) == {"status": 400, "code": 1000, "message": "Invalid Credentials!"}, bearer[:80]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-junk": "x" * 60_000},
        {f"x-junk-{number}": "x" for number in range(1000)},
        {
            "accept-language": ",".join(
                ["en;q=nan", "de;q=inf", "x" * 3000, ";q=", "*", "fr;q=1e9", "pt-BR ; q=0.5"] * 50
            )
        },
        {"accept-language": "\u00ff", "user-agent": "\u00ff" * 9000, "cookie": "\u00e9" * 4000},
        {"content-type": "application/json; charset=utf-16", "content-encoding": "gzip", "accept": "text/xml"},
        {"x-forwarded-for": "'; DROP TABLE users", "forwarded": 'for="_x', "range": "bytes=0-1", "expect": "x"},
        {"if-none-match": "*", "x-http-method-override": "DELETE", "transfer-encoding": "x", "host": "["},
    ],
    ids=["huge", "many", "languages", "non-ascii", "encodings", "forwarded", "overrides"],
)
async def test_headers_that_mean_nothing_here_change_nothing(target: Target, headers: dict[str, str]) -> None:
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    sent["x-api-key"] = target.phone.key.encode()
    good = json.dumps(target.good[VERIFY]).encode()
    assert "token" in data_of(await target.server.client.post(VERIFY, content=good, headers=sent))
    data_of(await target.server.client.post(LOGIN, content=b'{"email":"ada@example.com"}', headers=sent))

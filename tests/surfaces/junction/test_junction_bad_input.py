"""Every malformed input to every field of every route: refused in the contract's words, nothing written, nothing told.

Each field is tried inside a body that is good otherwise, so that a refusal can only come from that field.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog

from backend import EXCHANGE, REVOKE, TOKEN, USERS, Backend, MobileApp
from bad_input import (
    BEARERS,
    CANARY,
    HALF_CHARACTERS,
    KEYS,
    NO_IDS,
    NOT_JSON,
    STRINGS,
    WRONG_TYPES,
    contents,
    spoiled,
)
from harness import ADMIN_TOKEN

ID = "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"
LINK = "/v2/link/provider/manual/apple_health_kit"
TEAM_KEYS = "/v1/org/o/team_api_keys/sandbox/eu"
DATES = ["2026-02-30", "2026-1-1", "20260101", "2026-01-01T00:00:00", "0000-01-01", "٢٠٢٦-٠١-٠١", "1", "2026-W01-1"]
ZONES = ["europe/lisbon", "Lisbon", "/etc/passwd", "Europe", "Europe/Lisbon ", "UTC+1", "posix/Europe/Lisbon"]
NAMES = ["", "\0", f"{CANARY}\0", "x" * 513]


@dataclass(frozen=True)
class Field:
    """One member of one route's body, and strings that it cannot be."""

    method: str
    path: str
    name: str
    bad_strings: tuple[str, ...]
    required: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.name}"


def _profile(method: str, path: str) -> list[Field]:
    return [
        Field(method, path, "client_user_id", tuple(NAMES), required=method == "POST"),
        Field(method, path, "fallback_time_zone", (*STRINGS, *ZONES)),
        *(Field(method, path, name, (*STRINGS, *DATES)) for name in ("fallback_birth_date", "ingestion_start")),
        Field(method, path, "ingestion_end", (*STRINGS, *DATES)),
    ]


FIELDS = [
    *_profile("POST", USERS),
    *_profile("PATCH", USERS + "/{}"),
    Field("POST", f"{USERS}/undo_delete", "user_id", tuple(STRINGS)),
    Field("POST", f"{USERS}/undo_delete", "client_user_id", tuple(NAMES)),
    Field("POST", LINK, "user_id", tuple(STRINGS)),
    Field("POST", TEAM_KEYS, "team_id", tuple(STRINGS), required=True),
    Field("DELETE", TEAM_KEYS, "key_id", tuple(STRINGS), required=True),
]
every_field = pytest.mark.parametrize("field", FIELDS, ids=str)
every_body = pytest.mark.parametrize(
    ("method", "path"), list(dict.fromkeys((field.method, field.path) for field in FIELDS))
)


@dataclass
class Target:
    """A backend, a phone of its, and a good body for every route."""

    backend: Backend
    app: MobileApp
    sign_in_token: str

    def good(self, path: str) -> dict[str, str]:
        """A body that would be served, were it not for the one field under test."""
        if path == TEAM_KEYS:
            return {"team_id": str(self.backend.team.id), "key_id": ID}
        if path == LINK or "undo_delete" in path:
            return {"user_id": self.app.user_id}
        return {"client_user_id": "someone", "fallback_time_zone": "Europe/Lisbon", "ingestion_end": "2026-12-31"}

    async def send(self, method: str, path: str, body: bytes) -> httpx.Response:
        """With every credential there is; what was sent is in no refusal."""
        headers = {**self.backend.headers, "x-management-key": ADMIN_TOKEN}
        path = path.format(self.app.user_id)
        answer = await self.backend.server.client.request(method, path, content=body, headers=headers)
        assert CANARY not in answer.text
        return answer

    async def locations(self, method: str, path: str, body: bytes) -> list[list[Any]]:
        """Where a 422 says that the mistakes are."""
        answer = await self.send(method, path, body)
        assert answer.status_code == 422, (answer.status_code, answer.text, body[:80])
        return [problem["loc"] for problem in answer.json()["detail"]]

    def body(self, field: Field, fragment: str | None) -> bytes:
        """The good body with *fragment* for the value of *field*, or without it."""
        members = {name: json.dumps(value) for name, value in self.good(field.path).items()}
        members.pop(field.name, None)
        if field.name == "client_user_id" and "undo_delete" in field.path:
            members.pop("user_id")
        if fragment is not None:
            members[field.name] = fragment
        return ("{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}").encode()


@pytest.fixture
async def target(sqlite_backend: Backend) -> Target:
    app = await sqlite_backend.sign_in()
    return Target(sqlite_backend, app, await sqlite_backend.sign_in_token(app.user_id))


@pytest.fixture
async def stored_target(backend: Backend) -> Target:
    """The same on both databases, for what could reach them."""
    app = await backend.sign_in()
    return Target(backend, app, await backend.sign_in_token(app.user_id))


@asynccontextmanager
async def nothing_happens(target: Target, caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """No row is written or changed meanwhile, no secret and nothing that was sent is logged, and no fault of ours."""
    server, team_id = target.backend.server, target.backend.team.id
    before = await contents(server, team_id)
    with caplog.at_level(logging.DEBUG, "gatepass"), structlog.testing.capture_logs() as structured:
        yield
    logged = repr(structured) + caplog.text
    tokens = target.app.tokens
    secrets = (target.backend.key, target.sign_in_token, tokens["access_token"], tokens["refresh_token"], ADMIN_TOKEN)
    assert not [secret for secret in (CANARY, "Fault", *secrets) if secret in logged]
    assert await contents(server, team_id) == before


@every_field
async def test_what_is_no_string_is_refused_by_name(
    target: Target, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        for fragment in (*WRONG_TYPES, *HALF_CHARACTERS, *(["null", None] if field.required else [])):
            located = await target.locations(field.method, field.path, target.body(field, fragment))
            assert located == [["body", field.name]], fragment


@every_field
async def test_a_string_that_cannot_be_meant_is_refused_by_name(
    stored_target: Target, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(stored_target, caplog):
        for text in field.bad_strings:
            located = await stored_target.locations(
                field.method, field.path, stored_target.body(field, json.dumps(text))
            )
            assert located[0][-1] == field.name, text


@pytest.mark.parametrize("name", [name for name in STRINGS if name and "\0" not in name and len(name) <= 512])
async def test_a_name_may_be_any_other_text(stored_target: Target, name: str) -> None:
    user = await stored_target.backend.create_user(name)
    assert user["client_user_id"] == name
    resolved = await stored_target.backend.call("GET", f"{USERS}/resolve/{quote(name, safe='')}")
    assert resolved.json() == user


@every_field
async def test_a_value_that_is_no_json_spoils_the_body(
    target: Target, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        for fragment in NOT_JSON:
            located = await target.locations(field.method, field.path, target.body(field, fragment))
            assert located == [["body", 0]], fragment[:80]


@every_field
async def test_a_million_characters_are_too_many(
    target: Target, field: Field, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        answer = await target.send(field.method, field.path, target.body(field, json.dumps("x" * 10**6)))
        assert answer.status_code == 413


@every_body
async def test_what_is_no_json_object_in_utf_8_is_refused(
    target: Target, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        for body in spoiled(json.dumps(target.good(path), separators=(",", ":")).encode()):
            if body.strip():
                assert (await target.locations(method, path, body))[0][0] == "body", body[:80]


IN_PATHS = [
    ("GET", USERS + "/{}"), ("PATCH", USERS + "/{}"), ("DELETE", USERS + "/{}"), ("POST", USERS + "/{}/sign_in_token"),
    ("GET", USERS + "/providers/{}"), ("POST", USERS + "/refresh/{}"), ("POST", USERS + "/{}/sdk_sync_state/x"),
    ("POST", USERS + "/{}/sdk_start_historical_stage/x"), ("POST", USERS + "/{}/sdk_sync_progress/x"),
    ("POST", "/v2/summary/sleep/{}"), ("POST", "/v2/timeseries/{}/steps"),
    ("POST", "/v1/org/o/team/{}/create_api_access_token"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), IN_PATHS)
async def test_a_part_of_the_path_that_is_no_id_is_refused(
    target: Target, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with nothing_happens(target, caplog):
        for part in NO_IDS:
            answer = await target.send(method, path.replace("{}", part), b"{}")
            assert answer.status_code == 422, part
            assert answer.json()["detail"][0]["loc"][0] == "path"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        *((f"offset={value}", "offset") for value in ("-1", "x", "1.5", "", "1e3", str(2**63), "9" * 5000, CANARY)),
        *((f"limit={value}", "limit") for value in ("0", "501", "-1", "x", "", "%00", "٣x", str(2**64))),
    ],
)
async def test_a_page_outside_the_limits_is_refused(target: Target, query: str, name: str) -> None:
    assert await target.locations("GET", f"{USERS}?{query}", b"") == [["query", name]]


@pytest.mark.parametrize("value", ["4", "61", "4.999", "nan", "inf", "-inf", "x", "", CANARY])
async def test_a_timeout_outside_the_limits_is_refused(target: Target, value: str) -> None:
    path = f"{USERS}/refresh/{target.app.user_id}?timeout={value}"
    assert await target.locations("POST", path, b"") == [["query", "timeout"]]


@pytest.mark.parametrize("place", ["staging/eu", "sandbox/asia", "Sandbox/eu", "sandbox/EU", "%00/eu", f"{CANARY}/eu"])
async def test_a_place_that_there_is_not_is_refused(target: Target, place: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        located = await target.locations(method, f"/v1/org/o/team_api_keys/{place}", b"{}")
        assert located[0][0] == "path"


CALLS = [
    ("POST", USERS), ("GET", USERS), ("GET", f"{USERS}/resolve/x"), ("POST", f"{USERS}/undo_delete"), ("POST", LINK),
    *((method, path.replace("{}", ID)) for method, path in IN_PATHS if path.startswith("/v2")),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_credential_that_is_none_of_ours_is_looked_at_before_anything_else(
    target: Target, method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = target.backend.server.client
    good = target.app.bearer["authorization"]
    async with nothing_happens(target, caplog):
        for key in KEYS:
            headers = {"x-vital-api-key": key.encode("latin-1"), "authorization": good.encode()}
            answer = await client.request(method, path, headers=headers, content=b"no json")
            assert (answer.status_code, answer.json()) == (401, {"detail": "invalid token"})
        for bearer in BEARERS:
            headers = {"authorization": bearer.encode("latin-1")}
            answer = await client.request(method, path, headers=headers, content=b"no json")
            assert (answer.status_code, answer.json()) == (401, {"detail": "invalid token"}), bearer[:40]
        twice = [("authorization", good), ("authorization", good)]
        assert (await client.request(method, path, headers=twice)).status_code == 401


@pytest.mark.parametrize("path", [TOKEN, REVOKE])
async def test_the_token_endpoint_never_shows_what_it_was_sent(
    target: Target, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = target.backend.server.client
    refresh = {"grant_type": "refresh_token"}
    texts = [text for text in (*STRINGS, *NO_IDS) if len(text) < 16_000]
    async with nothing_happens(target, caplog):
        for text in texts:
            forms = (
                {"grant_type": text},
                {**refresh, "refresh_token": text},
                {**EXCHANGE, "subject_token": text},
                {**EXCHANGE, "subject_token": target.sign_in_token, "subject_token_type": text},
                {"token": text},
                {text or "x": text},
            )
            for form in forms:
                answer = await client.post(path, data=form)
                assert answer.status_code in (400, 413) or (path, *form) == (REVOKE, "token"), form
                assert CANARY not in answer.text

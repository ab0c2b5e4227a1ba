"""`POST /oauth/token`: exchange and refresh in the words of RFC 6749 and RFC 8693."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from backend import EXCHANGE, Backend, MobileApp, new_backend
from gatepass.adapters import database
from gatepass.core.schema import SECOND
from harness import Server, serve
from life import held

PATH = "/oauth/token"


async def post(server: Server, **form: str) -> httpx.Response:
    return await server.client.post(PATH, data=form)


async def exchanged(backend: Backend) -> MobileApp:
    user = await backend.create_user()
    answer = await backend.exchange(await backend.sign_in_token(user["user_id"]), path=PATH)
    assert answer.status_code == 200, answer.text
    return MobileApp(backend.server, answer.json())


def refusal(answer: httpx.Response) -> str:
    """The error word of a refusal in the shape of RFC 6749 section 5.2."""
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert list(body) == ["error", "error_description"]
    assert all(0x20 <= ord(letter) < 0x7F and letter not in '"\\' for letter in body["error_description"])
    error: str = body["error"]
    return error


async def test_an_exchange_answers_as_rfc_8693_says(backend: Backend) -> None:
    user = await backend.create_user()
    answer = await backend.exchange(await backend.sign_in_token(user["user_id"]), path=PATH)
    assert answer.status_code == 200
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert "www-authenticate" not in answer.headers
    body = answer.json()
    assert list(body) == [
        "access_token", "token_type", "expires_in", "refresh_token", "scope", "user_id", "issued_token_type",
    ]  # fmt: skip
    assert (body["token_type"], body["scope"], body["user_id"]) == ("Bearer", "user", user["user_id"])
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert 3240 <= body["expires_in"] <= 3600


async def test_a_refresh_rotates_and_names_no_issued_token_type(backend: Backend) -> None:
    app = await exchanged(backend)
    first = app.tokens["refresh_token"]
    answer = await app.refresh(path=PATH)
    assert answer.status_code == 200
    assert "issued_token_type" not in answer.json()
    assert app.tokens["refresh_token"] != first
    assert (await app.read()).status_code == 200


async def test_the_dialects_share_sessions(backend: Backend) -> None:
    app = await exchanged(backend)
    for path in ("/v1/token", PATH, "/auth/v1/token"):
        assert (await app.refresh(path=path)).status_code == 200


async def test_a_lost_answer_gets_the_same_successor_and_reuse_ends_the_session(backend: Backend) -> None:
    app = await exchanged(backend)
    first = app.tokens["refresh_token"]
    lost = (await app.refresh(path=PATH, keep=False)).json()["refresh_token"]
    backend.server.clock.advance(seconds=3600)
    assert (await app.refresh(path=PATH)).json()["refresh_token"] == lost
    await app.read()
    backend.server.clock.advance(ms=30 * SECOND + 1)
    for token in (first, lost):
        answer = await app.refresh(token, path=PATH)
        assert (answer.status_code, refusal(answer)) == (400, "invalid_grant")


async def test_a_deleted_user_is_told_that_the_grant_is_over(backend: Backend) -> None:
    app = await exchanged(backend)
    await backend.call("DELETE", f"/v2/user/{app.user_id}")
    answer = await app.refresh(path=PATH)
    assert (answer.status_code, refusal(answer)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "nonsense"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "\0"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "jrt_" + "é" * 48}, "invalid_grant"),
        (EXCHANGE, "invalid_request"),
        ({**EXCHANGE, "subject_token": "nonsense"}, "invalid_grant"),
        ({**EXCHANGE, "subject_token": "a.b.c"}, "invalid_grant"),
        ({**EXCHANGE, "subject_token": "x", "subject_token_type": "urn:x"}, "invalid_request"),
        ({**EXCHANGE, "subject_token": "x", "requested_token_type": "urn:x"}, "invalid_request"),
        ({**EXCHANGE, "subject_token": "x", "actor_token": "y"}, "invalid_request"),
    ],
    ids=str,
)
async def test_what_is_wrong_with_a_form_has_the_rfcs_word(
    sqlite_server: Server, form: dict[str, str], error: str
) -> None:
    answer = await post(sqlite_server, **form)
    assert (answer.status_code, refusal(answer)) == (400, error)
    assert "www-authenticate" not in answer.headers


def of_type(kind: str, body: bytes) -> dict[str, Any]:
    return {"content": body, "headers": {"content-type": kind}}


FORM = "application/x-www-form-urlencoded"
BAD_BODIES = {
    "JSON": of_type("application/json", b'{"grant_type": "refresh_token", "token": "x", "refresh_token": "x"}'),
    "multipart": {"files": {"grant_type": (None, "refresh_token"), "token": (None, "x")}},
    "no type": {"content": b"grant_type=refresh_token&refresh_token=x&token=x", "headers": {"content-type": ""}},
    "a repeated field": of_type(FORM, b"grant_type=refresh_token&refresh_token=x&refresh_token=x&token=x&token=y"),
    "a surrogate": of_type(FORM, b"grant_type=refresh_token&refresh_token=%ED%A0%80&token=%ED%A0%80"),
    "no UTF-8": of_type(FORM, b"grant_type=refresh_token&refresh_token=%FF&token=%FF"),
    "raw bytes": of_type(FORM, b"grant_type=\xff\xfe&token=\xff"),
    "no pairs": of_type(FORM, b"grant_type"),
    "many fields": of_type(FORM, b"&".join(b"a%d=1" % number for number in range(100))),
}


@pytest.mark.parametrize("path", [PATH, "/oauth/revoke", "/oauth/introspect", "/v1/token", "/v1/revoke"])
@pytest.mark.parametrize("how", BAD_BODIES)
async def test_a_body_that_is_no_form_is_an_invalid_request(sqlite_backend: Backend, path: str, how: str) -> None:
    sent = dict(BAD_BODIES[how])
    headers = {**sqlite_backend.headers, **sent.pop("headers", {})}
    answer = await sqlite_backend.server.client.post(path, headers=headers, **sent)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", [PATH, "/oauth/revoke", "/oauth/introspect"])
async def test_a_huge_body_is_turned_away(sqlite_backend: Backend, path: str) -> None:
    answer = await sqlite_backend.call("POST", path, "x" * 20_000)
    assert (answer.status_code, refusal(answer)) == (413, "invalid_request")


@pytest.mark.parametrize("path", [PATH, "/oauth/revoke", "/oauth/introspect"])
async def test_another_method_is_told_the_right_one(sqlite_server: Server, path: str) -> None:
    answer = await sqlite_server.client.get(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert refusal(answer) == "invalid_request"


async def test_too_many_exchanges_are_asked_to_wait(sqlite_url: str) -> None:
    async with serve(sqlite_url, limit_token_endpoint_per_client="1/hour") as server:
        backend = await new_backend(server)
        await exchanged(backend)
        user = await backend.create_user("member-2")
        answer = await backend.exchange(await backend.sign_in_token(user["user_id"]), path=PATH)
        assert (answer.status_code, refusal(answer)) == (429, "temporarily_unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_fault_of_ours_is_never_a_verdict_on_the_grant(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is stuck; the same token works when it is not."""
    monkeypatch.setattr(database, "LOCK_WAIT", 0.05)
    async with serve(database_url) as server:
        app = await exchanged(await new_backend(server))
        async with held(server, (await app.session()).id):
            answer = await app.refresh(path=PATH)
            assert (answer.status_code, refusal(answer)) == (503, "temporarily_unavailable")
            assert answer.headers["retry-after"]
        assert (await app.refresh(path=PATH)).status_code == 200

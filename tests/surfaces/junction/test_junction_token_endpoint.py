"""J9: exchange and refresh under both paths, the shapes of section 6.3 and of F1 to F9."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from junction_contract import watch

from backend import EXCHANGE, LOCAL_TOKEN, REVOKE, TOKEN, Backend, new_backend
from gatepass import grants
from gatepass.adapters.keyring import Keyring
from gatepass.core import sessions, teams, users
from gatepass.core.errors import Unavailable
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.sessions import Cause
from harness import Server, serve
from life import held

both_paths = pytest.mark.parametrize("path", [TOKEN, LOCAL_TOKEN, f"{TOKEN}/", f"{LOCAL_TOKEN}/"])
INVALID_TOKEN, REAUTHENTICATE = "invalid_token", "reauthentication_required"


def word_of(answer: httpx.Response) -> str:
    """The word that ends something on the phone."""
    assert answer.status_code == 400, answer.text
    word: str = answer.json()["detail"]["error_type"]
    return word


@both_paths
async def test_an_exchange_answers_with_the_documented_members(sqlite_backend: Backend, path: str) -> None:
    user = await sqlite_backend.create_user()
    answer = await sqlite_backend.exchange(await sqlite_backend.sign_in_token(user["user_id"]), path=path)
    assert list(answer.json()) == [
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "issued_token_type",
        "user_id",
    ]
    assert answer.json()["user_id"] == user["user_id"]
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert re.fullmatch(r"jrt_[A-Za-z0-9_-]{48}", answer.json()["refresh_token"])
    assert re.search(rb'"expires_in":(3[2-6]\d\d),', answer.content), "an integer in the raw bytes, less up to 10 %"


@both_paths
async def test_a_refresh_answers_with_both_tokens_and_no_issued_type(sqlite_backend: Backend, path: str) -> None:
    app = await sqlite_backend.sign_in()
    before = app.tokens["refresh_token"]
    answer = await app.refresh(path=path)
    assert list(answer.json()) == ["access_token", "refresh_token", "token_type", "expires_in", "user_id"]
    assert answer.json()["refresh_token"] != before
    assert (await app.read()).status_code == 200


async def test_unknown_fields_and_an_authorization_header_are_ignored(backend: Backend) -> None:
    app = await backend.sign_in()
    form = {"client_id": "x", "scope": "everything", "refresh_token": app.tokens["refresh_token"], "zzz": ""}
    answer = await backend.server.client.post(
        TOKEN,
        data={**form, "grant_type": "refresh_token"},
        headers={"authorization": "Bearer nonsense", "x-vital-api-key": "sk_us_nonsense"},
    )
    assert answer.status_code == 200


async def test_what_is_wrong_with_an_exchange_fails_the_sign_in(backend: Backend) -> None:
    app = await backend.sign_in()
    good = await backend.sign_in_token(app.user_id)
    for token in ("Xx7", "a.b.c", good[:-8], good + "x", app.tokens["access_token"], app.tokens["refresh_token"]):
        answer = await backend.exchange(token)
        assert word_of(answer) == INVALID_TOKEN, token
        assert token not in answer.text


@pytest.mark.parametrize("cause", [Cause.ADMIN, Cause.REUSE, Cause.SIGNED_OUT, Cause.EXPIRED])
async def test_an_ended_session_asks_for_a_new_sign_in(backend: Backend, cause: Cause) -> None:
    app = await backend.sign_in()
    session = await app.session()
    await backend.server.runtime.transact(lambda unit: sessions.end(unit, session.id, cause))
    assert word_of(await app.refresh()) == REAUTHENTICATE
    assert (await app.read()).status_code == 401


async def test_a_disabled_user_is_signed_out_for_good(backend: Backend) -> None:
    app = await backend.sign_in()
    runtime, user_id = backend.server.runtime, UUID(app.user_id)
    await runtime.transact(lambda unit: users.ban(unit, backend.team.id, user_id))
    assert word_of(await app.refresh()) == INVALID_TOKEN
    assert (await app.read()).status_code == 401
    await runtime.transact(lambda unit: users.unban(unit, backend.team.id, user_id))
    assert word_of(await app.refresh()) == INVALID_TOKEN, "enabling reopens no session"
    assert (await (await backend.sign_in(app.user_id)).read()).status_code == 200


async def test_a_removed_team_takes_its_phones_along(backend: Backend) -> None:
    app = await backend.sign_in()
    token = await backend.sign_in_token(app.user_id)
    await backend.server.runtime.transact(lambda unit: teams.remove(unit, backend.team.id))
    assert word_of(await app.refresh()) == INVALID_TOKEN
    assert word_of(await backend.exchange(token)) == INVALID_TOKEN
    assert (await app.read()).status_code == 401


async def test_an_idle_session_expires_after_ninety_days_and_any_after_four_hundred(backend: Backend) -> None:
    idle, busy = await backend.sign_in(), await backend.sign_in((await backend.create_user("busy"))["user_id"])
    for _ in range(4):
        backend.server.clock.advance(seconds=89 * 86400)
        assert (await busy.refresh()).status_code == 200
    assert word_of(await idle.refresh()) == REAUTHENTICATE
    backend.server.clock.advance(seconds=45 * 86400)
    assert word_of(await busy.refresh()) == REAUTHENTICATE


async def test_tokens_that_name_no_session_ask_for_a_new_sign_in(backend: Backend, server: Server) -> None:
    stranger = RefreshToken(server.runtime.mint.uuid7(0), 0).jrt(server.runtime.secret)
    elixir = (await server.sign_in()).refresh_token
    app = await backend.sign_in()
    for token in ("x", "jrt_" + "A" * 48, stranger, elixir, app.tokens["access_token"], "☃", " "):
        assert word_of(await app.refresh(token)) == REAUTHENTICATE
    assert (await app.refresh()).status_code == 200, "and end nobody's session"


@pytest.mark.parametrize(
    ("form", "error", "detail"),
    [
        ({"grant_type": ""}, "invalid_request", "grant_type is missing or empty"),
        ({"grant_type": "refresh_token"}, "invalid_request", "refresh_token is missing or empty"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, "invalid_request", "refresh_token is missing or empty"),
        ({"grant_type": ["refresh_token"] * 2}, "invalid_request", "a field is repeated"),
        ({**EXCHANGE}, "invalid_request", "subject_token is missing or empty"),
        ({"grant_type": EXCHANGE["grant_type"]}, "invalid_request", "subject_token_type is missing or empty"),
        (
            {**EXCHANGE, "subject_token": "x", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt"},
            "invalid_request",
            "subject_token_type must be urn:junction:sign-in-token",
        ),
        ({"grant_type": "password"}, "unsupported_grant_type", "This grant type is not served here."),
    ],
)
async def test_a_form_that_cannot_be_served_says_which_field(
    sqlite_server: Server, form: dict[str, Any], error: str, detail: str
) -> None:
    answer = await sqlite_server.client.post(TOKEN, data=form)
    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": detail, "detail": detail}


async def test_only_a_form_is_read(sqlite_server: Server) -> None:
    client, form = sqlite_server.client, b"grant_type=refresh_token&refresh_token=x"
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain", ""):
        answer = await client.post(TOKEN, content=form, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    for kind in ("application/x-www-form-urlencoded; charset=utf-8", "Application/X-WWW-Form-URLencoded"):
        assert word_of(await client.post(TOKEN, content=form, headers={"content-type": kind})) == REAUTHENTICATE
    for bad in (b"\xff=x", b"grant_type", b"a=%ff", b"&".join(b"a%d=1" % number for number in range(60))):
        kind = "application/x-www-form-urlencoded"
        answer = await client.post(TOKEN, content=bad, headers={"content-type": kind})
        assert answer.json()["error"] == "invalid_request"
    answer = await client.post(TOKEN, content=form + b"x" * 16_400, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["detail"]) == (413, "The form is too large.")


@both_paths
async def test_other_methods_are_told_which_one_goes(sqlite_server: Server, path: str) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await sqlite_server.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert answer.json() == {"detail": "Method Not Allowed"}


async def test_too_many_exchanges_from_one_address_wait(sqlite_url: str) -> None:

    async with serve(sqlite_url, limit_token_endpoint_per_client="2/hour") as server:
        backend = await new_backend(watch(server))
        app = await backend.sign_in()
        token = await backend.sign_in_token(app.user_id)
        assert (await backend.exchange(token)).status_code == 200
        answer = await backend.exchange(token)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
        assert (await app.refresh()).status_code == 200, "a valid refresh is never throttled"


async def test_a_fault_of_ours_ends_nothing(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    app = await backend.sign_in()
    token = await backend.sign_in_token(app.user_id)

    async def out_of_reach(*_: object, **__: object) -> None:
        raise Unavailable("the store is down")

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake")

    for fault, status in ((out_of_reach, 503), (broken, 500)):
        for name in ("keys", "signer", "verifiers"):
            with monkeypatch.context() as patch:
                patch.setattr(Keyring, name, fault)
                answer = await app.refresh() if name != "verifiers" else await backend.exchange(token)
                assert (answer.status_code, answer.json()["error"]) == (status, "temporarily_unavailable")
    assert (await app.refresh()).status_code == 200
    assert (await backend.exchange(token)).status_code == 200


async def test_an_answer_that_cannot_come_in_time_is_a_503(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:

    app = await backend.sign_in()
    monkeypatch.setattr(grants, "ANSWER_WITHIN", 0.3)
    async with held(backend.server, (await app.session()).id):
        answer = await app.refresh()
    assert (answer.status_code, answer.json()["detail"]) == (503, "Temporarily unavailable.")
    monkeypatch.undo()
    assert (await app.refresh()).status_code == 200


async def test_an_app_signs_out_with_its_refresh_token(backend: Backend, server: Server) -> None:
    app = await backend.sign_in()
    lost = app.tokens["refresh_token"]
    await app.refresh()
    for spare in ("", "x", app.tokens["access_token"], (await server.sign_in()).refresh_token):
        assert (await server.client.post(REVOKE, data={"token": spare})).status_code == 200
    assert (await app.read()).status_code == 200, "none of which ends this session"
    answer = await server.client.post(f"{REVOKE}/", data={"token": lost, "token_type_hint": "refresh_token"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await app.session()).end_cause is Cause.SIGNED_OUT
    assert (await app.read()).status_code == 401
    assert word_of(await app.refresh()) == REAUTHENTICATE
    assert (await server.client.post(REVOKE, data={"token": lost})).status_code == 200


async def test_either_spelling_of_a_refresh_token_signs_out(backend: Backend, server: Server) -> None:
    app = await backend.sign_in()
    session = await app.session()
    spelled = RefreshToken(session.id, session.generation).hex(server.runtime.secret)
    assert (await server.client.post(REVOKE, data={"token": spelled})).status_code == 200
    assert (await app.session()).end_cause is Cause.SIGNED_OUT


async def test_a_revocation_that_is_no_form_is_refused(sqlite_server: Server) -> None:
    """A 200 would tell an app that it signed out, when nothing was read."""
    answer = await sqlite_server.client.post(REVOKE, json={"token": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await sqlite_server.client.post(REVOKE, data={"tokne": "x"})).status_code == 400

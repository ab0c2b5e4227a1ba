"""The Firebase-compatible profile (contract junction, section 9): same sessions, Google's words."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

from backend import Backend, new_backend, sessions_of
from gatepass.core import sessions, sign_in_jwt, teams
from gatepass.core.sessions import Cause
from gatepass.core.signing_keys import Ring, pem_of
from harness import Server

SIGN_IN = "/identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken"
LOOKUP = "/identitytoolkit.googleapis.com/v1/accounts:lookup"
TOKEN = "/securetoken.googleapis.com/v1/token"
KEY = {"key": "any"}


@pytest.fixture
async def backend(server: Server) -> Backend:
    return await new_backend(server)


@pytest.fixture
async def sqlite_backend(sqlite_server: Server) -> Backend:
    return await new_backend(sqlite_server)


async def custom_token(backend: Backend, user_id: str | None = None) -> str:
    """The inner token, as an old SDK or a Firebase client hands it on."""
    user_id = user_id or (await backend.create_user())["user_id"]
    return sign_in_jwt.unwrap(await backend.sign_in_token(user_id))


async def sign_in(backend: Backend, token: str, path: str = SIGN_IN, **more: Any) -> httpx.Response:
    body = {"token": token, "returnSecureToken": True, **more}
    return await backend.server.client.post(path, params=KEY, json=body)


async def signed_in(backend: Backend) -> dict[str, Any]:
    answer = await sign_in(backend, await custom_token(backend))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def refresh(backend: Backend, token: str, path: str = TOKEN) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await backend.server.client.post(path, params=KEY, data=form)


async def lookup(backend: Backend, id_token: str, path: str = LOOKUP) -> httpx.Response:
    return await backend.server.client.post(path, params=KEY, json={"idToken": id_token})


def message(answer: httpx.Response) -> str:
    """The one word of an error body whose every other member is checked here."""
    body = answer.json()
    said: str = body["error"]["message"]
    assert body == {
        "error": {
            "code": answer.status_code,
            "message": said,
            "status": body["error"]["status"],
            "errors": [{"message": said, "domain": "global", "reason": "invalid"}],
        }
    }
    assert answer.headers["cache-control"] == "no-store"
    return said


def user_of(id_token: str) -> str:
    payload = id_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["sub"])


@pytest.mark.parametrize("path", [SIGN_IN, SIGN_IN.removeprefix("/identitytoolkit.googleapis.com"), SIGN_IN + "/"])
async def test_a_custom_token_signs_in(backend: Backend, path: str) -> None:
    answer = await sign_in(backend, await custom_token(backend), path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert list(body) == ["kind", "idToken", "refreshToken", "expiresIn", "isNewUser"]
    assert (body["kind"], body["isNewUser"]) == ("identitytoolkit#VerifyCustomTokenResponse", False)
    assert 3240 <= int(body["expiresIn"]) <= 3600
    assert isinstance(body["expiresIn"], str)


@pytest.mark.parametrize("path", [TOKEN, "/v1/token", "/v1/token/", TOKEN + "/"])
async def test_a_refresh_rotates_and_counts_in_strings(backend: Backend, path: str) -> None:
    first = await signed_in(backend)
    answer = await refresh(backend, first["refreshToken"], path)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert list(body) == [
        "access_token", "id_token", "expires_in", "token_type", "refresh_token", "user_id", "project_id",
    ]  # fmt: skip
    assert body["access_token"] == body["id_token"]
    assert (body["token_type"], body["project_id"]) == ("Bearer", "vital-id-stg-eu")
    assert isinstance(body["expires_in"], str)
    assert body["user_id"] == user_of(first["idToken"])
    assert body["refresh_token"] != first["refreshToken"]


async def test_a_bare_token_path_without_a_key_is_junctions(backend: Backend) -> None:
    token = (await signed_in(backend))["refreshToken"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    junction = (await backend.server.client.post("/v1/token", data=form)).json()
    assert isinstance(junction["expires_in"], int)
    assert "project_id" in (await refresh(backend, junction["refresh_token"], "/v1/token")).json()
    for query in ("?key", "?key=", "?x=1&key=2"):
        answer = await backend.server.client.post(f"/v1/token{query}", data={"grant_type": "nonsense"})
        assert message(answer) == "INVALID_GRANT_TYPE"
    assert "detail" in (await backend.server.client.post("/v1/token?monkey=1", data={})).json()
    assert (await backend.server.client.post("/auth/v1/token?key=1", data={})).json()["error"] == "invalid_request"


async def test_googles_mobile_libraries_refresh_in_json(backend: Backend) -> None:
    token = (await signed_in(backend))["refreshToken"]
    body = {"grantType": "refresh_token", "refreshToken": token}
    answer = await backend.server.client.post(TOKEN, params=KEY, json=body)
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] != token


@pytest.mark.parametrize("path", [LOOKUP, LOOKUP.removeprefix("/identitytoolkit.googleapis.com")])
async def test_the_account_behind_an_id_token(backend: Backend, path: str) -> None:
    made = backend.server.clock.now()
    token = await custom_token(backend)
    backend.server.clock.advance(seconds=5)
    id_token = (await sign_in(backend, token)).json()["idToken"]
    answer = await lookup(backend, id_token, path)
    assert answer.status_code == 200
    assert answer.json() == {
        "users": [
            {
                "localId": user_of(id_token),
                "tenantId": f"t-{backend.team.id.hex[:12]}",
                "validSince": str(made // 1000),
                "createdAt": str(made),
                "lastLoginAt": str(made + 5000),
                "customAuth": True,
            }
        ]
    }


async def test_a_lookup_is_a_receipt(backend: Backend) -> None:
    """As any call with the access token: the predecessor is spent then."""
    first = await signed_in(backend)
    second = (await refresh(backend, first["refreshToken"])).json()
    await lookup(backend, second["id_token"])
    backend.server.clock.advance(seconds=31)
    assert message(await refresh(backend, first["refreshToken"])) == "TOKEN_EXPIRED"
    assert message(await refresh(backend, second["refresh_token"])) == "TOKEN_EXPIRED"


async def test_the_dialects_share_the_session(backend: Backend) -> None:
    first = await signed_in(backend)
    answer = await backend.server.client.get("/userinfo", headers={"authorization": f"Bearer {first['idToken']}"})
    assert answer.status_code == 200
    await backend.server.client.post("/v1/revoke", data={"token": first["refreshToken"]})
    assert message(await refresh(backend, first["refreshToken"])) == "TOKEN_EXPIRED"


# Errors.


async def test_a_bad_custom_token_is_401_for_old_sdks_and_a_message_for_firebase(backend: Backend) -> None:
    user = await backend.create_user()
    expired, used = await custom_token(backend, user["user_id"]), await custom_token(backend, user["user_id"])
    first = (await sign_in(backend, used)).json()
    await refresh(backend, first["refreshToken"])
    for token in ("nonsense", "a.b.c", "\0", "é", used):
        answer = await sign_in(backend, token)
        assert (answer.status_code, message(answer)) == (401, "INVALID_CUSTOM_TOKEN")
    backend.server.clock.advance(seconds=901)
    answer = await sign_in(backend, expired)
    assert (answer.status_code, message(answer)) == (401, "INVALID_CUSTOM_TOKEN")


async def test_another_tenant_is_told_so(backend: Backend) -> None:
    token = await custom_token(backend)
    for tenant in ("t-000000000000", "", 7, ["x"]):
        answer = await sign_in(backend, token, tenantId=tenant)
        assert (answer.status_code, message(answer)) == (400, "TENANT_ID_MISMATCH")
    tenant = f"t-{backend.team.id.hex[:12]}"
    assert (await sign_in(backend, token, tenantId=tenant)).status_code == 200


async def test_no_tenant_is_told_about_a_token_that_is_bad_anyway(backend: Backend) -> None:
    answer = await sign_in(backend, "a.b.c", tenantId="t-000000000000")
    assert (answer.status_code, message(answer)) == (401, "INVALID_CUSTOM_TOKEN")


async def by_deletion(backend: Backend, user_id: str) -> None:
    await backend.call("DELETE", f"/v2/user/{user_id}")


async def by_ban(backend: Backend, user_id: str) -> None:
    path = f"/admin/v1/teams/{backend.team.id}/users/{user_id}/ban"
    await backend.server.client.post(path, json={}, headers=backend.server.admin)


async def by_an_administrator(backend: Backend, user_id: str) -> None:
    for session in await sessions_of(backend.server, user_id):
        await backend.server.runtime.transact(lambda unit, id=session.id: sessions.end(unit, id, Cause.ADMIN))


async def by_removal_of_the_team(backend: Backend, user_id: str) -> None:
    await backend.server.runtime.transact(lambda unit: teams.remove(unit, backend.team.id))


@pytest.mark.parametrize(
    ("end", "at_refresh", "at_lookup"),
    [
        (by_deletion, "USER_NOT_FOUND", "TOKEN_EXPIRED"),
        (by_ban, "USER_DISABLED", "USER_DISABLED"),
        (by_an_administrator, "TOKEN_EXPIRED", "TOKEN_EXPIRED"),
        (by_removal_of_the_team, "USER_NOT_FOUND", "TOKEN_EXPIRED"),
    ],
)
async def test_each_end_has_its_word(backend: Backend, end: Any, at_refresh: str, at_lookup: str) -> None:
    first = await signed_in(backend)
    await end(backend, str(UUID(user_of(first["idToken"]))))
    answer = await refresh(backend, first["refreshToken"])
    assert (answer.status_code, message(answer)) == (400, at_refresh)
    answer = await lookup(backend, first["idToken"])
    assert (answer.status_code, message(answer)) == (400, at_lookup)


async def test_an_id_token_that_merely_ran_out_signs_nobody_out(backend: Backend) -> None:
    first = await signed_in(backend)
    backend.server.clock.advance(seconds=3661)
    assert message(await lookup(backend, first["idToken"])) == "INVALID_ID_TOKEN"
    assert (await refresh(backend, first["refreshToken"])).status_code == 200


@pytest.mark.parametrize(
    ("path", "sent", "word"),
    [
        (SIGN_IN, {"json": {}}, "MISSING_CUSTOM_TOKEN"),
        (SIGN_IN, {"json": {"token": ""}}, "MISSING_CUSTOM_TOKEN"),
        (SIGN_IN, {"json": {"token": 7}}, "MISSING_CUSTOM_TOKEN"),
        (LOOKUP, {"json": {}}, "MISSING_ID_TOKEN"),
        (LOOKUP, {"json": {"idToken": "nonsense"}}, "INVALID_ID_TOKEN"),
        (TOKEN, {"data": {"refresh_token": "x"}}, "INVALID_GRANT_TYPE"),
        (TOKEN, {"data": {"grant_type": "password", "refresh_token": "x"}}, "INVALID_GRANT_TYPE"),
        (TOKEN, {"data": {"grant_type": "refresh_token"}}, "MISSING_REFRESH_TOKEN"),
        (TOKEN, {"json": {"grantType": "refresh_token", "refreshToken": 7}}, "MISSING_REFRESH_TOKEN"),
        (TOKEN, {"json": {"grantType": ["x"]}}, "INVALID_GRANT_TYPE"),
        (TOKEN, {"data": {"grant_type": "refresh_token", "refresh_token": "nonsense"}}, "TOKEN_EXPIRED"),
        ("/v1/token", {"data": {"grant_type": "refresh_token"}}, "MISSING_REFRESH_TOKEN"),
    ],
    ids=str,
)
async def test_what_is_missing_is_named(sqlite_server: Server, path: str, sent: Any, word: str) -> None:
    answer = await sqlite_server.client.post(path, params=KEY, **sent)
    assert (answer.status_code, message(answer)) == (400, word)


BAD_BODIES = (b"", b"[]", b"null", b"7", b"{", b"\xff\xfe", b'{"token": "\\ud800"}', b"[" * 10_000, b"9" * 10_000)


@pytest.mark.parametrize("path", [SIGN_IN, LOOKUP, TOKEN])
async def test_a_body_that_cannot_be_read_is_an_error_of_the_callers(sqlite_server: Server, path: str) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        for body in BAD_BODIES:
            answer = await sqlite_server.client.post(path, content=body, headers={"content-type": kind})
            assert answer.status_code in (400, 401), f"{kind} {body[:9]!r}: {answer.text}"
            message(answer)
    answer = await sqlite_server.client.post(path, content=b"x" * 20_000)
    assert (answer.status_code, message(answer)) == (413, "PAYLOAD_TOO_LARGE")


async def test_paths_and_methods_beside_the_three_are_refused_in_the_same_shape(sqlite_server: Server) -> None:
    for path in (
        "/identitytoolkit.googleapis.com/v1/accounts:signUp",
        "/v1/accounts:delete",
        "/securetoken.googleapis.com/",
    ):
        answer = await sqlite_server.client.post(path, json={})
        assert (answer.status_code, message(answer)) == (404, "NOT_FOUND")
    for path in (SIGN_IN, LOOKUP, TOKEN, "/v1/token?key=x"):
        answer = await sqlite_server.client.get(path)
        assert (answer.status_code, message(answer), answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")


async def test_the_emulators_owner_has_no_power(backend: Backend) -> None:
    first = await signed_in(backend)
    owner = {"authorization": "Bearer owner"}
    body = {"localId": user_of(first["idToken"])}
    for path in (LOOKUP, "/identitytoolkit.googleapis.com/v1/projects/p/accounts:lookup"):
        answer = await backend.server.client.post(path, json=body, headers=owner)
        assert answer.status_code in (400, 404)
    assert (await backend.server.client.get("/userinfo", headers=owner)).status_code == 401


# A backend that mints by itself, with the exported key.


async def test_a_token_minted_by_firebase_admins_own_recipe_is_exchanged_once(backend: Backend) -> None:
    user = await backend.create_user()
    key = await backend.server.runtime.keyring.signer(Ring.SIGN_IN, backend.team.id)
    service, now = sign_in_jwt.service_account(backend.team), backend.server.clock.now() // 1000
    claims = {
        "iss": service,
        "sub": service,
        "aud": sign_in_jwt.AUDIENCE,
        "uid": user["user_id"],
        "iat": now,
        "exp": now + 3600,
        "tenant_id": sign_in_jwt.tenant_of(backend.team.id),
        "claims": {"vital_team_id": str(backend.team.id)},
    }
    token = jwt.encode(claims, pem_of(key), "RS256")
    first = await sign_in(backend, token)
    assert first.status_code == 200, first.text
    again = await sign_in(backend, token)
    assert again.json()["refreshToken"] == first.json()["refreshToken"]
    await refresh(backend, first.json()["refreshToken"])
    assert message(await sign_in(backend, token)) == "INVALID_CUSTOM_TOKEN"
    assert message(await sign_in(backend, spelled_otherwise(token))) == "INVALID_CUSTOM_TOKEN"


def spelled_otherwise(token: str) -> str:
    """The same token: the last character of an RS256 signature carries four bits that decode to nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]

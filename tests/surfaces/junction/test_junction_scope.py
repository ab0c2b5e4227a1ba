"""Sections 3 and 7: what a credential reaches, and what an answer to a wrong one looks like."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from backend import EXCHANGE, USERS, Backend, MobileApp, new_backend
from gatepass.core import api_keys
from gatepass.core.api_keys import Kind
from gatepass.core.errors import InputRefused
from gatepass.core.signing_keys import Ring
from gatepass.core.teams import Region, TeamEnvironment
from harness import Server

ID = "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"
FOR_A_TEAM = [
    ("POST", USERS, {"client_user_id": "x"}),
    ("GET", USERS, None),
    ("GET", f"{USERS}/resolve/x", None),
    ("PATCH", f"{USERS}/{ID}", {"ingestion_end": None}),
    ("DELETE", f"{USERS}/{ID}", None),
    ("POST", f"{USERS}/undo_delete?user_id={ID}", None),
    ("POST", f"{USERS}/{ID}/sign_in_token", None),
]
FOR_A_USER = [
    ("GET", USERS + "/{}"),
    ("GET", USERS + "/providers/{}"),
    ("POST", USERS + "/refresh/{}"),
    ("POST", USERS + "/{}/sdk_sync_state/apple_health_kit"),
    ("POST", USERS + "/{}/sdk_start_historical_stage/health_connect"),
    ("POST", USERS + "/{}/sdk_sync_progress/health_connect"),
    ("POST", "/v2/summary/sleep/{}"),
    ("POST", "/v2/timeseries/{}/heartrate"),
]
ALL = [(method, path) for method, path, _ in FOR_A_TEAM] + [(method, path.format(ID)) for method, path in FOR_A_USER]


async def call(app: MobileApp, method: str, path: str, body: Any = None) -> httpx.Response:
    """A call with the phone's own token."""
    return await app.server.client.request(method, path, headers=app.bearer, json=body)


@pytest.mark.parametrize(("method", "path"), FOR_A_USER)
async def test_a_user_token_reaches_its_own_resources_in_either_letter_case(
    backend: Backend, method: str, path: str
) -> None:
    app = await backend.sign_in()
    for user_id in (app.user_id, app.user_id.upper()):
        for slash in ("", "/"):
            answer = await call(app, method, path.format(user_id) + slash)
            assert answer.status_code == (400 if "/refresh/" in path else 200)


@pytest.mark.parametrize(("method", "path"), FOR_A_USER)
async def test_another_users_resources_are_forbidden_and_never_a_401(
    backend: Backend, server: Server, method: str, path: str
) -> None:
    app = await backend.sign_in()
    sibling = await backend.create_user("sibling")
    stranger = await (await new_backend(server)).create_user()
    for user_id in (sibling["user_id"], stranger["user_id"], ID):
        answer = await call(app, method, path.format(user_id))
        assert (answer.status_code, answer.json()) == (403, {"detail": "This credential does not reach here."})


@pytest.mark.parametrize(("method", "path", "body"), FOR_A_TEAM)
async def test_what_only_a_team_may_do_is_forbidden_and_never_a_401(
    backend: Backend, method: str, path: str, body: Any
) -> None:
    app = await backend.sign_in()
    answer = await call(app, method, path.replace(ID, app.user_id), body)
    assert (answer.status_code, answer.json()) == (403, {"detail": "This credential does not reach here."})


@pytest.mark.parametrize(("method", "path"), ALL)
async def test_nothing_answers_without_a_credential(sqlite_server: Server, method: str, path: str) -> None:
    publishable = sqlite_server.production_key
    for headers in ({}, {"x-vital-api-key": publishable}, {"x-vital-api-key": "sk_eu_" + "x" * 32}):
        answer = await sqlite_server.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": "invalid token"})


async def test_where_both_are_sent_the_key_decides(backend: Backend) -> None:
    app = await backend.sign_in()
    sibling = await backend.create_user("sibling")
    both = {**app.bearer, **backend.headers}
    client = backend.server.client
    assert (await client.get(f"{USERS}/{sibling['user_id']}", headers=both)).status_code == 200
    assert (await client.get(f"{USERS}/{app.user_id}", headers={**both, "x-vital-api-key": "no"})).status_code == 401
    twice = [*app.bearer.items(), *backend.headers.items(), *backend.headers.items()]
    assert (await client.get(f"{USERS}/{app.user_id}", headers=twice)).status_code == 401


async def test_tokens_of_another_kind_are_no_bearer(backend: Backend, server: Server) -> None:
    app = await backend.sign_in()
    blob = await backend.sign_in_token(app.user_id)
    elixir = (await server.sign_in()).bundle["token"]
    for other in (blob, app.tokens["refresh_token"], elixir, app.tokens["access_token"] + "==", backend.key):
        answer = await server.client.get(f"{USERS}/{app.user_id}", headers={"authorization": f"Bearer {other}"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    basic = await server.client.get(f"{USERS}/{app.user_id}", headers={"authorization": "Basic Zm9vOmJhcg=="})
    assert basic.status_code == 401


async def test_a_token_is_accepted_for_a_minute_longer_than_announced(backend: Backend) -> None:
    """Clients start counting when the answer arrives (E4)."""
    app = await backend.sign_in()
    backend.server.clock.advance(seconds=app.tokens["expires_in"] + 1)
    assert (await app.read()).status_code == 200
    backend.server.clock.advance(seconds=60)
    answer = await app.read()
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    ("environment", "region", "prefix"),
    [
        (TeamEnvironment.PRODUCTION, Region.US, "pk_us_"),
        (TeamEnvironment.SANDBOX, Region.EU, "sk_eu_"),
        (TeamEnvironment.DEV, Region.US, "sk_us_"),
        (TeamEnvironment.LOCAL, Region.EU, "sk_eu_"),
    ],
)
async def test_a_key_says_what_it_is_for(
    sqlite_server: Server, environment: TeamEnvironment, region: Region, prefix: str
) -> None:
    backend = await new_backend(sqlite_server, environment=environment, region=region)
    assert backend.key.startswith(prefix)
    assert backend.key.removeprefix(prefix).isalnum()
    assert len(backend.key) >= len(prefix) + 32


async def test_a_key_from_elsewhere_has_to_agree_with_its_team(backend: Backend) -> None:
    runtime, chance = backend.server.runtime, "x" * 40

    async def adopt(key: str) -> None:
        await runtime.transact(lambda unit: api_keys.adopt(unit, backend.team.id, Kind.SECRET, None, key))

    for prefix in ("pk_eu_", "sk_us_", "pk_us_"):
        with pytest.raises(InputRefused, match="this team's begin with sk_eu_"):
            await adopt(prefix + chance)
    for key in (f"sk_eu_{backend.team.id.hex}", f"vendor-{backend.team.id.hex}"):
        await adopt(key)
        assert (await Backend(backend.server, backend.team, key).call("GET", USERS)).status_code == 200


async def test_a_revoked_key_opens_nothing_from_the_next_call_on(backend: Backend) -> None:
    runtime = backend.server.runtime
    backend.server.clock.advance(seconds=1)
    spare = await runtime.transact(lambda unit: api_keys.create(unit, backend.team.id, Kind.SECRET))
    assert (await backend.call("GET", USERS)).status_code == 200
    (key, _) = await runtime.read(lambda unit: api_keys.list_keys(unit, backend.team.id))
    await runtime.transact(lambda unit: api_keys.revoke(unit, key.id))
    assert (await backend.call("GET", USERS)).status_code == 401
    assert (await Backend(backend.server, backend.team, spare.text).call("GET", USERS)).status_code == 200


async def test_a_session_outlives_a_rotation_of_the_signing_keys(backend: Backend) -> None:
    app = await backend.sign_in()
    keyring = backend.server.runtime.keyring
    await keyring.rotate(Ring.ACCESS, at_once=True)
    await keyring.rotate(Ring.SIGN_IN, backend.team.id)
    assert (await app.read()).status_code == 200, "the old key still verifies"
    await app.refresh()
    assert (await app.read()).status_code == 200
    assert (await (await backend.sign_in(app.user_id)).read()).status_code == 200


async def test_a_session_bound_to_a_key_needs_it_here_too(backend: Backend, server: Server) -> None:
    """A bound session comes from `/oauth/token`; without its key its tokens work on no path."""
    user = await backend.create_user()
    key = DeviceKey()
    form = {**EXCHANGE, "subject_token": await backend.sign_in_token(user["user_id"])}
    issuer = server.runtime.policy.issuer
    proof = {"dpop": key.proof("POST", f"{issuer}/oauth/token", server.clock.now())}
    bound = (await server.client.post("/oauth/token", data=form, headers=proof)).json()
    path = f"{USERS}/{user['user_id']}"

    async def read(scheme: str, *, at: str = path, about: str = bound["access_token"]) -> httpx.Response:
        headers = {"authorization": f"{scheme} {bound['access_token']}"}
        headers["dpop"] = key.proof("GET", issuer + at, server.clock.now(), about)
        return await server.client.get(path, headers=headers)

    assert (await read("DPoP")).status_code == 200
    for answer in (await read("Bearer"), await read("DPoP", at="/v2/other"), await read("DPoP", about="x")):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    plain = await MobileApp(server, bound).refresh()
    assert (plain.status_code, plain.json()["error"]) == (400, "invalid_dpop_proof")


class DeviceKey:
    """A key pair that never leaves a phone (RFC 9449)."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        public = jwt.get_algorithm_by_name("ES256").to_jwk(self.private.public_key(), as_dict=True)
        self.jwk = {name: public[name] for name in ("kty", "crv", "x", "y")}
        self.made = 0

    def proof(self, method: str, url: str, now: int, about: str | None = None) -> str:
        """A fresh proof for one request at *now* (ms), about an access token if given."""
        self.made += 1
        claims = {"jti": str(self.made), "htm": method, "htu": url, "iat": now // 1000}
        if about is not None:
            digest = hashlib.sha256(about.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return jwt.encode(claims, self.private, "ES256", headers={"typ": "dpop+jwt", "jwk": self.jwk})

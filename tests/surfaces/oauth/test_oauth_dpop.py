"""A session bound to a key (RFC 9449): its tokens are worth nothing anywhere without that key."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest

from backend import EXCHANGE, Backend, sessions_of
from gatepass.core.sessions import Session
from harness import Server
from proofs import Prover

ISSUER = "http://127.0.0.1:8000"
TOKEN = "/oauth/token"


class Phone(Prover):
    """A key, and the tokens bound to it."""

    tokens: dict[str, Any]
    server: Server

    async def exchange(self, backend: Backend, user_id: str, sign_in_token: str | None = None) -> httpx.Response:
        self.server = backend.server
        subject = sign_in_token or await backend.sign_in_token(user_id)
        return await self._post({**EXCHANGE, "subject_token": subject})

    async def refresh(self, *, by: Prover | None = None, path: str = TOKEN) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        headers = {"dpop": (by or self).prove("POST", ISSUER + path)}
        return await self.server.client.post(path, data=form, headers=headers)

    async def userinfo(self, *, scheme: str = "DPoP", by: Prover | None = None, **proof: Any) -> httpx.Response:
        token = self.tokens["access_token"]
        headers = {"authorization": f"{scheme} {token}"}
        if by is not None:
            headers["dpop"] = by.prove("GET", f"{ISSUER}/userinfo", **{"access_token": token, **proof})
        return await self.server.client.get("/userinfo", headers=headers)

    async def _post(self, form: dict[str, str]) -> httpx.Response:
        answer = await self.server.client.post(TOKEN, data=form, headers={"dpop": self.prove("POST", ISSUER + TOKEN)})
        if answer.status_code == 200:
            self.tokens = answer.json()
        return answer


@pytest.fixture
async def phone(backend: Backend) -> Phone:
    """Signed in with a bound session."""
    phone = Phone(backend.server.clock)
    answer = await phone.exchange(backend, (await backend.create_user())["user_id"])
    assert answer.status_code == 200, answer.text
    return phone


async def session_of(phone: Phone) -> Session:
    (session, *_) = await sessions_of(phone.server, phone.tokens["user_id"])
    return session


async def test_a_proof_at_the_exchange_binds_session_and_token(phone: Phone) -> None:
    assert phone.tokens["token_type"] == "DPoP"
    claims = jwt.decode(phone.tokens["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": phone.jkt}
    assert (await session_of(phone)).jkt == phone.jkt


async def test_a_bound_refresh_keeps_its_token_however_often_it_comes(phone: Phone) -> None:
    refresh_token = phone.tokens["refresh_token"]
    for _ in range(3):
        phone.clock.advance(seconds=3600)
        answer = await phone.refresh()
        assert answer.status_code == 200
        assert (answer.json()["refresh_token"], answer.json()["token_type"]) == (refresh_token, "DPoP")
    session = await session_of(phone)
    assert (session.generation, session.late_replays) == (0, 0)
    assert session.idle_expires_at == phone.clock.now() + 90 * 86_400_000


async def test_without_a_proof_by_the_same_key_a_bound_refresh_is_refused_and_nothing_ends(phone: Phone) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": phone.tokens["refresh_token"]}
    bare = await phone.server.client.post(TOKEN, data=form)
    foreign = await phone.refresh(by=Prover(phone.clock))
    for answer in (bare, foreign):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
        assert "www-authenticate" not in answer.headers
    assert (await phone.refresh()).status_code == 200


async def test_elsewhere_a_bound_refresh_token_is_refused_in_words_that_end_nothing(phone: Phone) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": phone.tokens["refresh_token"]}
    for path in ("/v1/token", "/auth/v1/token"):
        answer = await phone.server.client.post(path, data=form)
        assert answer.status_code == 400
        assert isinstance(answer.json()["detail"], str)
    firebase = await phone.server.client.post("/v1/token?key=x", data=form)
    assert (firebase.status_code, firebase.json()["error"]["message"]) == (400, "OPERATION_NOT_ALLOWED")
    assert (await phone.refresh()).status_code == 200


async def test_a_proof_is_spent_by_the_refresh_it_came_with(phone: Phone) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": phone.tokens["refresh_token"]}
    headers = {"dpop": phone.prove("POST", ISSUER + TOKEN)}
    answers = [await phone.server.client.post(TOKEN, data=form, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[1].json()["error"] == "invalid_dpop_proof"


async def test_a_lost_exchange_is_repeated_with_the_same_key_only(backend: Backend) -> None:
    user = await backend.create_user()
    sign_in_token = await backend.sign_in_token(user["user_id"])
    phone, thief = Phone(backend.server.clock), Phone(backend.server.clock)
    first = (await phone.exchange(backend, user["user_id"], sign_in_token)).json()["refresh_token"]
    assert (await thief.exchange(backend, user["user_id"], sign_in_token)).json()["error"] == "invalid_grant"
    assert (await backend.exchange(sign_in_token, path=TOKEN)).json()["error"] == "invalid_grant"
    assert (await phone.exchange(backend, user["user_id"], sign_in_token)).json()["refresh_token"] == first


async def test_a_bad_proof_at_the_exchange_opens_no_session(backend: Backend) -> None:
    user = await backend.create_user()
    form = {**EXCHANGE, "subject_token": await backend.sign_in_token(user["user_id"])}
    prover = Prover(backend.server.clock)
    good = prover.prove("POST", ISSUER + TOKEN)
    for headers in (
        [("dpop", "nonsense")],
        [("dpop", "")],
        [("dpop", good), ("dpop", prover.prove("POST", ISSUER + TOKEN))],
        [("dpop", prover.prove("POST", "http://gatepass.test/oauth/token"))],
    ):
        answer = await backend.server.client.post(TOKEN, data=form, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert (await backend.server.client.post(TOKEN, data=form)).json()["token_type"] == "Bearer"


async def test_the_url_in_a_proof_is_the_configured_one_whatever_the_host_header_says(phone: Phone) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": phone.tokens["refresh_token"]}
    for host in ("evil.example", "127.0.0.1:8000"):
        forged = {"host": host, "x-forwarded-host": host, "dpop": phone.prove("POST", f"http://evil.example{TOKEN}")}
        assert (await phone.server.client.post(TOKEN, data=form, headers=forged)).status_code == 400
        honest = {"host": host, "dpop": phone.prove("POST", ISSUER + TOKEN)}
        assert (await phone.server.client.post(TOKEN, data=form, headers=honest)).status_code == 200


async def test_a_resource_takes_a_bound_token_with_a_fresh_proof_about_it(phone: Phone) -> None:
    answer = await phone.userinfo(by=phone)
    assert (answer.status_code, answer.json()["sub"]) == (200, phone.tokens["user_id"])


async def test_a_resource_refuses_a_bound_token_without_its_key(phone: Phone) -> None:
    stranger = Prover(phone.clock)
    for answer in (
        await phone.userinfo(),
        await phone.userinfo(scheme="Bearer"),
        await phone.userinfo(scheme="Bearer", by=phone),
        await phone.userinfo(by=stranger),
        await phone.userinfo(by=phone, access_token="another"),
        await phone.userinfo(by=phone, ath=None),
        await phone.userinfo(by=phone, htm="POST"),
    ):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("DPoP algs=")
        assert 'error="invalid_dpop_proof"' in answer.headers["www-authenticate"]
    assert (await session_of(phone)).ended_at is None


async def test_no_junction_path_takes_a_bound_token_as_a_bearer(phone: Phone) -> None:
    path = f"/v2/user/{phone.tokens['user_id']}"
    headers = {"authorization": f"Bearer {phone.tokens['access_token']}"}
    assert (await phone.server.client.get(path, headers=headers)).status_code == 401
    body = {"idToken": phone.tokens["access_token"]}
    lookup = await phone.server.client.post("/v1/accounts:lookup", json=body)
    assert (lookup.status_code, lookup.json()["error"]["message"]) == (400, "OPERATION_NOT_ALLOWED")


async def test_junctions_paths_take_it_with_a_proof(phone: Phone) -> None:
    path, token = f"/v2/user/{phone.tokens['user_id']}", phone.tokens["access_token"]
    headers = {"authorization": f"DPoP {token}", "dpop": phone.prove("GET", ISSUER + path, access_token=token)}
    assert (await phone.server.client.get(path, headers=headers)).status_code == 200


async def test_an_unbound_token_is_no_dpop_token(backend: Backend) -> None:
    app = await backend.sign_in()
    token = app.tokens["access_token"]
    proof = Prover(backend.server.clock).prove("GET", f"{ISSUER}/userinfo", access_token=token)
    headers = {"authorization": f"DPoP {token}", "dpop": proof}
    assert (await backend.server.client.get("/userinfo", headers=headers)).status_code == 401

"""The token endpoint, fifty at once on two processes (contract junction, section 11, items 7 and 8)."""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx
import jwt
import pytest

from backend import EXCHANGE, LOCAL_TOKEN, TOKEN, USERS
from gatepass.core import api_keys, sessions
from gatepass.core.api_keys import Kind
from pair import MANY, Pair

PATHS = (TOKEN, LOCAL_TOKEN, "/oauth/token")


@pytest.fixture
async def sign_in_token(pair: Pair) -> str:
    """One for a new user of the pair's team, from a backend that has a secret key."""
    key = await pair.runtime.transact(lambda unit: api_keys.create(unit, pair.team_id, Kind.SECRET))
    headers = {"x-vital-api-key": key.text}
    url = pair.processes[0].url + USERS
    user = (await pair.client.post(url, json={"client_user_id": "member-1"}, headers=headers)).json()
    issued = await pair.client.post(f"{url}/{user['user_id']}/sign_in_token", headers=headers)
    return str(issued.json()["sign_in_token"])


async def at_once(pair: Pair, paths: tuple[str, ...] = (TOKEN,), **form: str) -> list[httpx.Response]:
    """The same form fifty times, on both processes and all *paths* in turn."""
    urls = [process.url + path for path in paths for process in pair.processes]
    return list(await asyncio.gather(*(pair.client.post(urls[at % len(urls)], data=form) for at in range(MANY))))


def one_pair(answers: list[httpx.Response]) -> dict[str, str]:
    """The tokens that all of them got: the refresh token is the same in each."""
    assert [answer.status_code for answer in answers] == [200] * MANY
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    tokens: dict[str, str] = answers[0].json()
    return tokens


async def test_fifty_refreshes_of_one_token_get_one_successor(pair: Pair, sign_in_token: str) -> None:
    tokens = one_pair(await at_once(pair, **EXCHANGE, subject_token=sign_in_token))
    for _ in range(2):
        tokens = one_pair(await at_once(pair, grant_type="refresh_token", refresh_token=tokens["refresh_token"]))
    row = await pair.runtime.read(lambda unit: sessions.get(unit, session_of(tokens)))
    assert (row.generation, row.late_replays, row.ended_at) == (2, 0, None)


async def test_fifty_refreshes_in_three_dialects_get_one_successor(pair: Pair, sign_in_token: str) -> None:
    tokens = one_pair(await at_once(pair, PATHS, **EXCHANGE, subject_token=sign_in_token))
    tokens = one_pair(await at_once(pair, PATHS, grant_type="refresh_token", refresh_token=tokens["refresh_token"]))
    row = await pair.runtime.read(lambda unit: sessions.get(unit, session_of(tokens)))
    assert (row.generation, row.late_replays, row.ended_at) == (1, 0, None)


async def test_fifty_exchanges_of_one_sign_in_token_open_one_session(pair: Pair, sign_in_token: str) -> None:
    tokens = one_pair(await at_once(pair, **EXCHANGE, subject_token=sign_in_token))
    assert await pair.sessions() == 1
    url = f"{pair.processes[1].url}{USERS}/{tokens['user_id']}"
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await pair.client.get(url, headers=bearer)).status_code == 200
    answers = await at_once(pair, **EXCHANGE, subject_token=sign_in_token)
    assert {answer.json()["detail"]["error_type"] for answer in answers} == {"invalid_token"}
    assert await pair.sessions() == 1


def session_of(tokens: dict[str, str]) -> UUID:
    return UUID(jwt.decode(tokens["access_token"], options={"verify_signature": False})["sid"])

"""J10, J11 and J14: the health SDK stays calm without a data plane."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from backend import USERS, Backend
from gatepass.surfaces.junction import health

SYNC = USERS + "/{}/sdk_sync_state/apple_health_kit"
UPLOADS = [
    USERS + "/{}/sdk_start_historical_stage/apple_health_kit",
    USERS + "/{}/sdk_sync_progress/apple_health_kit",
    "/v2/summary/sleep/{}",
    "/v2/timeseries/{}/heartrate",
]
LINK = "/v2/link/provider/manual/apple_health_kit"


async def test_the_sdk_is_told_to_pause(backend: Backend) -> None:
    app = await backend.sign_in()
    answer = await backend.server.client.post(SYNC.format(app.user_id), headers=app.bearer, json={"stage": "daily"})
    assert answer.json() == {
        "status": "paused",
        "request_start_date": None,
        "request_end_date": None,
        "expires_in": 14400,
    }


async def test_nobody_has_providers_and_a_refresh_has_nothing_to_do(backend: Backend) -> None:
    app = await backend.sign_in()
    answer = await backend.call("GET", f"{USERS}/providers/{app.user_id}")
    assert answer.json() == {"providers": []}
    answer = await backend.call("POST", f"{USERS}/refresh/{app.user_id}?timeout=10")
    assert answer.status_code == 400
    assert answer.json() == {
        "success": False,
        "user_id": app.user_id,
        "error": "user has no connected sources",
        "failed_sources": [],
    }


async def test_a_refresh_may_be_asked_for_eight_times_an_hour_by_each_user(backend: Backend) -> None:
    user, other = await backend.create_user(), await backend.create_user("other")
    path = f"{USERS}/refresh/{user['user_id']}"
    for _ in range(4):
        assert (await backend.call("POST", path)).status_code == 400
        assert (await backend.call("POST", path.replace(user["user_id"], user["user_id"].upper()))).status_code == 400
        assert (await backend.call("POST", f"{path}?timeout=61")).status_code == 422, "which counts for nothing"
    answer = await backend.call("POST", path)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert (await backend.call("POST", f"{USERS}/refresh/{other['user_id']}")).status_code == 400
    backend.server.clock.advance(seconds=3600)
    assert (await backend.call("POST", path)).status_code == 400


@pytest.mark.parametrize("path", UPLOADS)
@pytest.mark.parametrize("encoding", ["identity", "gzip", "GZIP", "x-gzip"])
async def test_an_upload_is_dropped_compressed_or_not(sqlite_backend: Backend, path: str, encoding: str) -> None:
    app = await sqlite_backend.sign_in()
    content = json.dumps({"data": [{"value": number} for number in range(5000)]}).encode()
    body = content if encoding == "identity" else gzip.compress(content)
    headers = {**app.bearer, "content-encoding": encoding}
    answer = await sqlite_backend.server.client.post(path.format(app.user_id), content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {})


async def test_a_link_always_succeeds_for_the_user_it_names(backend: Backend) -> None:
    app, sibling = await backend.sign_in(), await backend.create_user("sibling")
    client = backend.server.client
    for user_id in (app.user_id, app.user_id.upper()):
        body = {"user_id": user_id, "provider_id": None}
        packed = gzip.compress(json.dumps(body).encode())
        for answer in (
            await client.post(LINK, json=body, headers=app.bearer),
            await client.post(LINK, content=packed, headers={**app.bearer, "content-encoding": "gzip"}),
            await backend.call("POST", LINK, body),
        ):
            assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert (await client.post(LINK, headers=app.bearer)).status_code == 200
    foreign = await client.post(LINK, json={"user_id": sibling["user_id"]}, headers=app.bearer)
    assert foreign.status_code == 403
    assert (await client.post(LINK)).status_code == 401


async def test_a_bomb_is_too_large_and_a_damaged_stream_is_refused(
    sqlite_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "INFLATED_LIMIT", 1024 * 1024)
    app = await sqlite_backend.sign_in()
    path, client = SYNC.format(app.user_id), sqlite_backend.server.client
    fits, packed = gzip.compress(b"0" * 1024 * 1024), gzip.compress(b"whole")

    async def upload(body: bytes, encoding: str = "gzip") -> int:
        answer = await client.post(path, content=body, headers={**app.bearer, "content-encoding": encoding})
        return answer.status_code

    assert await upload(fits) == 200
    assert await upload(gzip.compress(b"0" * (1024 * 1024 + 1))) == 413
    assert await upload(gzip.compress(b"0" * 200_000_000, 1)) == 413
    damaged = [b"", b"x", packed[:-1], packed + b"x", packed + packed, zlib.compress(b"whole"), packed[::-1]]
    assert {await upload(body) for body in damaged} == {422}
    assert {await upload(packed, encoding) for encoding in ("br", "gzip, gzip", "deflate", "canary")} == {422}


async def test_the_wire_has_a_limit_of_its_own(sqlite_backend: Backend) -> None:
    app = await sqlite_backend.sign_in()
    path, client = SYNC.format(app.user_id), sqlite_backend.server.client
    assert (await client.post(path, content=b"0" * health.UPLOAD_LIMIT, headers=app.bearer)).status_code == 200
    assert (await client.post(path, content=b"0" * (health.UPLOAD_LIMIT + 1), headers=app.bearer)).status_code == 413

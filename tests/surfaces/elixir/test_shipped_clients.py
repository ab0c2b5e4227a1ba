"""Section 11: what shipped clients send, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from answers import change_user, data_of, error_of

from harness import ACCOUNT_QR, LOGIN, QR_VERIFY, REFRESH, REIKEY, SIGN_OUT, USERINFO, VERIFY, Server

STALE = "Bearer eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJfaWQiOiJ4In0.c2ln"


class Unity:
    """Sends its headers with every call, and its token whenever it holds one, also on sign-in and refresh."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.token: str | None = None

    def _headers(self) -> dict[str, str]:
        return {
            "x-api-key": self._server.development_key,
            "Cache-Control": "no-cache, no-store, must-revalidate",
            "Expires": "0",
            **({"authorization": f"Bearer {self.token}"} if self.token is not None else {}),
        }

    async def post(self, path: str, body: str) -> httpx.Response:
        headers = {**self._headers(), "Content-Type": "application/json"}
        return await self._server.client.post(path, content=body.encode(), headers=headers)

    async def get(self, path: str) -> httpx.Response:
        return await self._server.client.get(path, headers=self._headers())


def keep(client: Unity, answer: httpx.Response) -> dict[str, Any]:
    """What Unity does: 400 and 200 are told apart by the status alone, the token is remembered."""
    data = data_of(answer)
    client.token = data["token"]
    return data


async def test_unity_signs_in_by_code_on_its_first_launch_and_stays(server: Server) -> None:
    unity = Unity(server)
    first = await unity.post(REFRESH, '{"refreshToken":""}')
    assert error_of(first) == {"status": 400, "code": "INVALID_REFRESH_TOKEN"}
    asked = data_of(await unity.post(LOGIN, '{"email":"ada@example.com"}'))
    verify = (
        f'{{"code":"{asked["userCode"]}","deviceModel":"Pixel 9","deviceUniqueIdentifier":"n/a",'
        f'"transactionId":"{asked["transactionId"]}"}}'
    )
    bundle = keep(unity, await unity.post(VERIFY, verify))
    assert data_of(await unity.get(USERINFO))["status"] == "ACTIVE"
    server.clock.advance(seconds=7200)
    keep(unity, await unity.post(REFRESH, json.dumps({"refreshToken": bundle["refreshToken"]})))
    data_of(await unity.get(USERINFO))
    data_of(await unity.post(SIGN_OUT, "{}"))
    assert (await unity.get(USERINFO)).status_code == 400


async def test_unity_scans_a_value(server: Server) -> None:
    phone = await server.sign_in()
    value = data_of(await server.client.post(ACCOUNT_QR, headers=phone.bearer))["qrValue"]
    unity = Unity(server)
    keep(
        unity,
        await unity.post(QR_VERIFY, f'{{"deviceModel":"Deck","deviceUniqueIdentifier":"n/a","qrValue":"{value}"}}'),
    )
    data_of(await unity.get(USERINFO))


@pytest.mark.parametrize("reikey", ['"ReiKey":""', '"ReiKey":"x"', '"reikey":null', '"ReiKey":[1]'])
async def test_unreal_refreshes_with_its_reikey_beside(server: Server, reikey: str) -> None:
    phone = await server.sign_in()
    headers = {"x-api-key": server.development_key, "content-type": "application/json"}
    body = f'{{"refreshToken":"{phone.refresh_token}",{reikey}}}'
    data_of(await server.client.post(REFRESH, content=body.encode(), headers=headers))


async def test_unreal_scans_asks_for_the_profile_with_a_slash_and_closes_its_desktop_with_a_get(server: Server) -> None:
    headers = {"x-api-key": server.development_key, "content-type": "application/json"}
    player_id = (await server.sign_in()).bundle["user"]["_id"]
    await change_user(server, player_id, test_user=True)
    made = data_of(await server.client.get(f"{REIKEY}/", params={"playerId": player_id}, headers=headers))
    value = f'{{"qrValue":"REIKEY:{made["reikey"]}"}}'
    bundle = data_of(await server.client.post(QR_VERIFY, content=value.encode(), headers=headers))
    assert 10_000 <= bundle["tokenLifeMS"] <= 2**31 - 1
    headers["authorization"] = f"Bearer {bundle['token']}"
    assert data_of(await server.client.get(USERINFO + "/", headers=headers))["sub"] == player_id
    closed = await server.client.get(f"/sdk/auth/v2/session/closerei/{made['reikey']}", headers=headers)
    assert data_of(closed) == {"closed": True}


async def test_a_stale_bearer_changes_nothing_on_the_way_in(server: Server) -> None:
    stale = {"authorization": STALE}
    asked = data_of(await server.post(LOGIN, {"email": "ada@example.com"}, headers=stale))
    body = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
    bundle = data_of(await server.post(VERIFY, body, headers=stale))
    data_of(await server.post(REFRESH, {"refreshToken": bundle["refreshToken"]}, headers=stale))
    bearer = {"x-api-key": server.development_key, "authorization": f"Bearer {bundle['token']}"}
    value = data_of(await server.client.post(ACCOUNT_QR, headers=bearer))["qrValue"]
    data_of(await server.post(QR_VERIFY, {"qrValue": value}, headers=stale))


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "\u00e9"]
)
async def test_a_body_is_read_as_json_whatever_it_is_called(sqlite_server: Server, media_type: str | None) -> None:
    headers = {b"x-api-key": sqlite_server.development_key.encode()}
    if media_type is not None:
        headers[b"content-type"] = media_type.encode("latin-1")
    data_of(await sqlite_server.client.post(LOGIN, content=b'{"email":"ada@example.com","more":{}}', headers=headers))

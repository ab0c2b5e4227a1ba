"""A6: the vendor's management calls, and the team access tokens they hand out."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest
from junction_contract import watch

from backend import USERS, Backend, new_backend
from gatepass.core import teams
from gatepass.core.teams import Region, TeamEnvironment
from harness import ADMIN_TOKEN, Server, serve

ORG = "/v1/org/3c90c3cc-0d44-4b50-8888-8dd25736052a"
MANAGEMENT = {"x-management-key": ADMIN_TOKEN}
KEYS = f"{ORG}/team_api_keys/sandbox/eu"


async def manage(server: Server, method: str, path: str, **more: Any) -> httpx.Response:
    return await server.client.request(method, path, headers=MANAGEMENT, **more)


async def team_token(backend: Backend) -> str:
    path = f"{ORG}/team/{backend.team.id}/create_api_access_token"
    answer = await manage(backend.server, "POST", path)
    assert (answer.status_code, answer.json().keys()) == (200, {"access_token", "expires_in"})
    assert answer.json()["expires_in"] == 600
    return str(answer.json()["access_token"])


async def test_a_team_access_token_does_what_a_key_does_for_ten_minutes(backend: Backend) -> None:
    token = await team_token(backend)
    client, bearer = backend.server.client, {"authorization": f"Bearer {token}"}
    made = await client.post(USERS, json={"client_user_id": "x"}, headers=bearer)
    user_id = made.json()["user_id"]
    assert (await client.get(f"{USERS}/{user_id.upper()}", headers=bearer)).json() == made.json()
    vouched = await client.post(f"{USERS}/{user_id}/sign_in_token", headers=bearer)
    assert (await backend.exchange(vouched.json()["sign_in_token"])).status_code == 200
    backend.server.clock.advance(seconds=599)
    assert (await client.get(USERS, headers=bearer)).status_code == 200
    backend.server.clock.advance(seconds=1)
    assert (await client.get(USERS, headers=bearer)).status_code == 401


async def test_a_team_access_token_reaches_its_own_team_while_that_lives(backend: Backend, server: Server) -> None:
    foreign = await (await new_backend(server)).create_user()
    bearer = {"authorization": f"Bearer {await team_token(backend)}"}
    assert (await server.client.get(f"{USERS}/{foreign['user_id']}", headers=bearer)).status_code == 404
    await server.runtime.transact(lambda unit: teams.remove(unit, backend.team.id))
    answer = await server.client.get(USERS, headers=bearer)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_users_token_does_not_become_a_teams_by_renaming(backend: Backend) -> None:
    app = await backend.sign_in()
    claims = jwt.decode(app.tokens["access_token"], options={"verify_signature": False})
    assert claims["scope"] == "user"
    assert jwt.get_unverified_header(app.tokens["access_token"])["typ"] == "at+jwt"
    assert jwt.get_unverified_header(await team_token(backend))["typ"] == "team+jwt"


async def test_keys_are_made_listed_and_revoked(backend: Backend, server: Server) -> None:
    team_id = str(backend.team.id)
    made = (await manage(server, "POST", KEYS, json={"label": "ours", "team_id": team_id.upper()})).json()
    assert made.keys() == {"id", "label", "team_id", "created_at", "value"}
    assert made["value"].startswith(made["label"])
    assert (made["team_id"], made["created_at"]) == (team_id, "2026-09-21T14:13:20+00:00")
    second = Backend(server, backend.team, made["value"])
    assert (await second.call("GET", USERS)).status_code == 200

    listed = (await manage(server, "GET", f"{KEYS}?team_id={team_id}")).json()["team_api_keys"]
    assert {name: made[name] for name in listed[0]} in listed
    assert len(listed) == 2
    assert made["value"] not in str(listed)
    everyone = (await manage(server, "GET", KEYS)).json()["team_api_keys"]
    assert [key for key in everyone if key["team_id"] == team_id] == listed

    answer = await manage(server, "DELETE", f"{KEYS}?key_id={made['id']}")
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert (await second.call("GET", USERS)).status_code == 401
    assert (await backend.call("GET", USERS)).status_code == 200
    assert len((await manage(server, "GET", f"{KEYS}?team_id={team_id}")).json()["team_api_keys"]) == 1


async def test_a_key_may_be_named_in_a_body_too(backend: Backend, server: Server) -> None:
    (key,) = (await manage(server, "GET", f"{KEYS}?team_id={backend.team.id}")).json()["team_api_keys"]
    assert (await manage(server, "DELETE", KEYS, json={"key_id": key["id"]})).status_code == 200
    assert (await backend.call("GET", USERS)).status_code == 401


async def test_a_team_is_found_in_its_own_environment_and_region_only(server: Server) -> None:
    backend = await new_backend(server, environment=TeamEnvironment.PRODUCTION, region=Region.US)
    (key,) = (await manage(server, "GET", f"{ORG}/team_api_keys/production/us?team_id={backend.team.id}")).json()[
        "team_api_keys"
    ]
    for place in ("sandbox/us", "production/eu"):
        path = f"{ORG}/team_api_keys/{place}"
        for answer in (
            await manage(server, "GET", f"{path}?team_id={backend.team.id}"),
            await manage(server, "POST", path, json={"team_id": str(backend.team.id)}),
            await manage(server, "DELETE", f"{path}?key_id={key['id']}"),
        ):
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not found"})
    assert (await backend.call("GET", USERS)).status_code == 200
    publishable = await server.client.get(f"/admin/v1/teams/{server.team.id}/keys", headers=server.admin)
    key_id = publishable.json()["keys"][0]["id"]
    assert (await manage(server, "DELETE", f"{KEYS}?key_id={key_id}")).status_code == 404
    assert (await server.ask_for_code("ada@example.com"))["transactionId"], "a publishable key is none of these"


CALLS = [
    ("POST", f"{ORG}/team/7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34/create_api_access_token"),
    ("GET", KEYS),
    ("POST", KEYS),
    ("DELETE", KEYS),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_only_the_management_key_manages(sqlite_backend: Backend, method: str, path: str) -> None:
    client = sqlite_backend.server.client
    for headers in (
        {},
        {"x-management-key": ""},
        {"x-management-key": "no"},
        {"x-management-key": sqlite_backend.key},
        {"x-management-key": f"{ADMIN_TOKEN} "[:-2]},
        sqlite_backend.server.admin,
        sqlite_backend.headers,
    ):
        answer = await client.request(method, path, headers={**headers, "x-vital-api-key": sqlite_backend.key})
        assert (answer.status_code, answer.json()) == (401, {"detail": "invalid token"})


async def test_a_deployment_without_an_admin_token_is_managed_by_nobody(sqlite_url: str) -> None:
    async with serve(sqlite_url, admin_token=None) as server:
        watch(server)
        for method, path in CALLS:
            for key in ("", ADMIN_TOKEN):
                answer = await server.client.request(method, path, headers={"x-management-key": key})
                assert answer.status_code == 401

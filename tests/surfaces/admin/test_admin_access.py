"""Who may use the admin API: the bearer of the token, and nobody where there is none."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from administrator import Admin

from harness import ADMIN_TOKEN, Server, serve

NOWHERE = str(UUID(int=0))


def routes(server: Server) -> list[tuple[str, str]]:
    """Every route of the surface, with ids that name nothing."""
    found = [
        (method.upper(), re.sub(r"\{\w+\}", NOWHERE, path))
        for path, methods in server.app.openapi()["paths"].items()
        if path.startswith("/admin/")
        for method in methods
    ]
    assert len(found) >= 20
    return found


async def test_without_a_token_set_every_route_says_how_to_turn_it_on(sqlite_url: str) -> None:
    async with serve(sqlite_url, admin_token=None) as server:
        for method, path in routes(server):
            answer = await server.client.request(method, path, headers=server.admin, content=b"{")
            assert answer.status_code == 403
            assert answer.json()["detail"] == "the admin API is off: set GATEPASS_ADMIN_TOKEN"


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {ADMIN_TOKEN}", ADMIN_TOKEN, f"Bearer {ADMIN_TOKEN}x",
        f"Bearer {ADMIN_TOKEN[:-1]}", f"Bearer {ADMIN_TOKEN} {ADMIN_TOKEN}", "Bearer \xe9".encode("latin-1"),
    ],
)  # fmt: skip
async def test_a_wrong_token_is_refused_on_every_route_before_its_input_is_read(
    sqlite_server: Server, authorization: str | bytes | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    for method, path in routes(sqlite_server):
        answer = await sqlite_server.client.request(method, path, headers=headers, content=b"{")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="Gatepass admin"'
        assert answer.json()["detail"].startswith("Send the header `Authorization: Bearer")
        assert ADMIN_TOKEN not in answer.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(sqlite_server: Server, scheme: str) -> None:
    answer = await sqlite_server.client.get("/admin/v1/teams", headers={"authorization": f"{scheme} {ADMIN_TOKEN}"})
    assert answer.status_code == 200


async def test_a_body_where_none_belongs_is_not_read(admin: Admin) -> None:
    assert (await admin.send("GET", admin.team, content=b"x" * 2_000_000)).status_code == 200


async def test_both_slash_forms_answer_alike(admin: Admin) -> None:
    assert await admin.call("GET", f"{admin.team}/") == await admin.call("GET", admin.team)

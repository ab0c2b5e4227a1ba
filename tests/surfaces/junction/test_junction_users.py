"""J1 to J7: a customer's backend and its users."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend import USERS, Backend, new_backend
from harness import Server

NOBODY = "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"
PROFILE = {
    "fallback_time_zone": "Europe/Lisbon",
    "fallback_birth_date": "1990-04-12",
    "ingestion_start": "2026-01-01",
    "ingestion_end": "2026-12-31",
}


async def test_a_new_user_has_every_member_null_where_empty(backend: Backend) -> None:
    user = await backend.create_user("member-00417")
    assert user == {
        "user_id": user["user_id"],
        "team_id": str(backend.team.id),
        "client_user_id": "member-00417",
        "created_on": "2026-09-21T14:13:20+00:00",
        "connected_sources": [],
        "fallback_time_zone": None,
        "fallback_birth_date": None,
        "ingestion_start": None,
        "ingestion_end": None,
    }
    assert (await backend.call("GET", f"{USERS}/{user['user_id']}")).json() == user


async def test_a_profile_says_since_when_in_whole_seconds(backend: Backend) -> None:
    user = await backend.create_user(**PROFILE)
    at = "2026-09-21T14:13:20+00:00"
    assert user["fallback_time_zone"] == {"id": "Europe/Lisbon", "source_slug": "manual", "updated_at": at}
    assert user["fallback_birth_date"] == {"value": "1990-04-12", "source_slug": "manual", "updated_at": at}
    assert (user["ingestion_start"], user["ingestion_end"]) == ("2026-01-01", "2026-12-31")


async def test_android_sends_explicit_nulls_and_members_nobody_knows(backend: Backend) -> None:
    user = await backend.create_user("android", **dict.fromkeys(PROFILE), user_key=None, surprise=[1])
    assert user["fallback_time_zone"] is None


async def test_a_name_in_use_is_answered_with_its_user(backend: Backend) -> None:
    user = await backend.create_user("member-1")
    answer = await backend.call("POST", f"{USERS}/", {"client_user_id": "member-1"})
    assert answer.status_code == 400, "409 would be repeated by the SDKs (C7)"
    assert answer.json()["detail"] == {
        "error_type": "INVALID_REQUEST",
        "error_message": "Client user id already exists.",
        "user_id": user["user_id"],
        "created_on": user["created_on"],
    }


async def test_of_two_racing_creates_one_makes_the_user_and_one_is_told_who(backend: Backend) -> None:
    answers = await asyncio.gather(*(backend.call("POST", USERS, {"client_user_id": "one"}) for _ in range(8)))
    (made,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert {answer.json()["detail"]["user_id"] for answer in answers if answer.status_code == 400} == {made["user_id"]}


async def test_a_page_of_users_is_newest_first_and_counts_them_all(backend: Backend) -> None:
    made = []
    for number in range(3):
        backend.server.clock.advance(seconds=1)
        made.append(await backend.create_user(f"member-{number}"))
    await backend.call("DELETE", f"{USERS}/{made.pop(1)['user_id']}")
    page = (await backend.call("GET", USERS)).json()
    assert page == {"users": made[::-1], "total": 2, "offset": 0, "limit": 100}
    page = (await backend.call("GET", f"{USERS}/?offset=1&limit=1&order=asc")).json()
    assert page == {"users": made[:1], "total": 2, "offset": 1, "limit": 1}


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        ("a b", ["a%20b"]),
        ("a/b", ["a%2Fb", "a/b"]),
        ("a+b", ["a+b", "a%2Bb"]),
        ("Zoë/ü", ["Zo%C3%AB%2F%C3%BC", "Zo%C3%AB/%C3%BC"]),
        ("a%2Fb", ["a%252Fb"]),
        ("a?b#c", ["a%3Fb%23c"]),
        ("ends/", ["ends%2F"]),
        ("//", ["%2F%2F"]),
        ("resolve/x", ["resolve/x", "resolve%2Fx"]),
    ],
)
async def test_a_name_is_resolved_however_a_client_writes_it(
    sqlite_backend: Backend, name: str, ways: list[str]
) -> None:
    user = await sqlite_backend.create_user(name)
    for way in ways:
        for slash in ("", "/"):
            answer = await sqlite_backend.call("GET", f"{USERS}/resolve/{way}{slash}")
            assert answer.status_code == 200, way + slash
            assert answer.json() == user


@pytest.mark.parametrize("way", ["nobody", "member-1%2F", "member%2B1", "%ff", "%00", "x" * 600, "MEMBER-1"])
async def test_a_name_that_nobody_has_is_not_found(backend: Backend, way: str) -> None:
    await backend.create_user("member-1")
    answer = await backend.call("GET", f"{USERS}/resolve/{way}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "User not found"})


async def test_a_patch_sets_keeps_and_clears(backend: Backend) -> None:
    user = await backend.create_user(**PROFILE)
    path = f"{USERS}/{user['user_id'].upper()}"
    backend.server.clock.advance(seconds=60)
    change = {"client_user_id": "renamed", "fallback_birth_date": "1991-01-02", "ingestion_end": None}
    assert (await backend.call("PATCH", path, change)).status_code == 204
    changed = (await backend.call("GET", path)).json()
    assert changed == {
        **user,
        "client_user_id": "renamed",
        "fallback_birth_date": {
            "value": "1991-01-02",
            "source_slug": "manual",
            "updated_at": "2026-09-21T14:14:20+00:00",
        },
        "ingestion_end": None,
    }
    assert (await backend.call("PATCH", path, dict.fromkeys(PROFILE))).status_code == 204
    cleared = (await backend.call("GET", path)).json()
    assert [cleared[name] for name in PROFILE] == [None] * 4
    assert (await backend.call("GET", f"{USERS}/resolve/renamed")).json() == cleared
    assert (await backend.call("GET", f"{USERS}/resolve/member-1")).status_code == 404


@pytest.mark.parametrize("body", [{}, {"surprise": 1}])
async def test_a_patch_of_nothing_is_refused(backend: Backend, body: dict[str, Any]) -> None:
    user = await backend.create_user()
    answer = await backend.call("PATCH", f"{USERS}/{user['user_id']}", body)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Nothing to patch"})


async def test_a_name_can_be_changed_and_not_cleared(backend: Backend) -> None:
    user = await backend.create_user()
    answer = await backend.call("PATCH", f"{USERS}/{user['user_id']}", {"client_user_id": None})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "client_user_id"]


async def test_a_patch_to_a_name_in_use_is_a_conflict_and_to_the_own_name_is_none(backend: Backend) -> None:
    await backend.create_user("taken")
    user = await backend.create_user("free")
    path = f"{USERS}/{user['user_id']}"
    answer = await backend.call("PATCH", path, {"client_user_id": "taken"})
    assert (answer.status_code, answer.json()) == (409, {"detail": "Client user id already exists"})
    assert (await backend.call("PATCH", path, {"client_user_id": "free"})).status_code == 204


async def test_of_users_racing_for_a_name_one_gets_it(backend: Backend) -> None:
    users = [await backend.create_user(f"member-{number}") for number in range(6)]
    answers = await asyncio.gather(
        *(backend.call("PATCH", f"{USERS}/{user['user_id']}", {"client_user_id": "wanted"}) for user in users)
    )
    assert sorted(answer.status_code for answer in answers) == [204] + [409] * 5


async def test_who_came_by_mail_goes_by_the_user_id(backend: Backend) -> None:
    server = backend.server
    backend = await new_backend(server, team=server.team)
    user_id = (await server.sign_in()).bundle["user"]["_id"]
    user = (await backend.call("GET", f"{USERS}/{user_id}")).json()
    assert user["client_user_id"] == user_id
    assert (await backend.call("GET", f"{USERS}/resolve/{user_id}")).json() == user
    answer = await backend.call("POST", USERS, {"client_user_id": user_id})
    assert answer.json()["detail"]["user_id"] == user_id, "nobody else can take that name"


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("GET", "", "Not found"),
        ("PATCH", "", "The user does not or no longer exists in this team"),
        ("DELETE", "", "The user does not or no longer exists in this team"),
        ("POST", "/sign_in_token", "Not found"),
    ],
)
async def test_another_teams_user_is_as_unknown_as_nobody(
    backend: Backend, server: Server, method: str, path: str, detail: str
) -> None:
    foreign = await (await new_backend(server)).create_user()
    for user_id in (NOBODY, foreign["user_id"]):
        answer = await backend.call(method, f"{USERS}/{user_id}{path}", {"ingestion_end": None})
        assert (answer.status_code, answer.json()) == (404, {"detail": detail})


async def test_a_banned_user_keeps_the_profile_and_gets_no_sign_in_token(backend: Backend, server: Server) -> None:
    user = await backend.create_user()
    path = f"{USERS}/{user['user_id']}"
    await server.client.post(f"/admin/v1/teams/{backend.team.id}/users/{user['user_id']}/ban", headers=server.admin)
    assert (await backend.call("GET", path)).json() == user
    assert (await backend.call("GET", f"{USERS}/resolve/member-1")).json() == user
    assert (await backend.call("PATCH", path, {"ingestion_end": None})).status_code == 204
    answer = await backend.call("POST", f"{path}/sign_in_token")
    assert (answer.status_code, answer.json()) == (403, {"detail": "The user is disabled."})

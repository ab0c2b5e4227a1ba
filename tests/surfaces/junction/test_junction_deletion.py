"""J6 and J7: seven days in which a deletion can be taken back, and what is left afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from backend import USERS, Backend, new_backend
from gatepass.core import users as core_users
from gatepass.core.sessions import Cause
from gatepass.core.user_deletion import purge_users
from harness import Server

WEEK = 7 * 86400
SCHEDULED = "You have scheduled this user for deletion."


async def delete(backend: Backend, user_id: str) -> None:
    answer = await backend.call("DELETE", f"{USERS}/{user_id}")
    assert (answer.status_code, answer.json()) == (200, {"success": True})


async def test_a_deleted_user_is_signed_out_everywhere_at_once(backend: Backend) -> None:
    app = await backend.sign_in()
    token = await backend.sign_in_token(app.user_id)
    await delete(backend, app.user_id.upper())
    assert (await app.read()).status_code == 401
    for answer in (await app.refresh(), await backend.exchange(token)):
        assert answer.json()["detail"]["error_type"] == "invalid_token"
    assert (await app.session()).end_cause is Cause.USER_DELETED


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("GET", "/{}", SCHEDULED),
        ("POST", "/{}/sign_in_token", SCHEDULED),
        ("GET", "/providers/{}", SCHEDULED),
        ("PATCH", "/{}", "The user has been scheduled for deletion as per your previous request"),
        ("DELETE", "/{}", "The user has been scheduled for deletion as per your previous request"),
        ("GET", "/resolve/member-1", "User not found"),
    ],
)
async def test_a_deleted_user_says_so(backend: Backend, method: str, path: str, detail: str) -> None:
    user = await backend.create_user()
    await delete(backend, user["user_id"])
    answer = await backend.call(method, USERS + path.format(user["user_id"]), {"ingestion_end": None})
    assert (answer.status_code, answer.json()) == (404, {"detail": detail})


@pytest.mark.parametrize("named_in", ["query", "body"])
@pytest.mark.parametrize("by", ["user_id", "client_user_id"])
async def test_undo_brings_back_the_user_and_not_the_sessions(backend: Backend, by: str, named_in: str) -> None:
    user = await backend.create_user()
    app = await backend.sign_in(user["user_id"])
    token = await backend.sign_in_token(user["user_id"])
    await delete(backend, user["user_id"])
    backend.server.clock.advance(seconds=WEEK - 1)
    named: dict[str, Any] = {by: user[by]}
    path = f"{USERS}/undo_delete"
    answer = await backend.server.client.post(
        path, headers=backend.headers, **({"params": named} if named_in == "query" else {"json": named})
    )
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert (await backend.call("GET", f"{USERS}/{user['user_id']}")).json() == user
    assert (await app.read()).status_code == 401
    assert (await app.refresh()).json()["detail"]["error_type"] == "invalid_token"
    assert (await backend.exchange(token)).status_code == 400
    assert (await (await backend.sign_in(user["user_id"])).read()).json() == user


async def test_there_is_nothing_to_undo_for_the_living_the_unknown_and_the_long_gone(backend: Backend) -> None:
    user, gone = await backend.create_user(), await backend.create_user("gone")
    await delete(backend, gone["user_id"])
    backend.server.clock.advance(seconds=WEEK)
    for query in (
        f"user_id={user['user_id']}",
        f"user_id={gone['user_id']}",
        "client_user_id=gone",
        "client_user_id=nobody",
        "user_id=7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34",
    ):
        answer = await backend.call("POST", f"{USERS}/undo_delete?{query}")
        assert answer.status_code == 404
        assert answer.json() == {"detail": "The user does not or no longer exists in this team"}


async def test_an_undo_that_names_nobody_is_refused(backend: Backend) -> None:
    for body in (None, {}, {"user_id": None, "client_user_id": None}):
        answer = await backend.call("POST", f"{USERS}/undo_delete", body)
        assert answer.status_code == 422
        assert answer.json()["detail"] == [
            {"type": "missing", "loc": ["query", "user_id"], "msg": "Field required", "input": {}}
        ]


async def test_a_name_is_free_again_at_once_and_then_undo_is_refused(backend: Backend) -> None:
    first = await backend.create_user()
    await delete(backend, first["user_id"])
    backend.server.clock.advance(seconds=1)
    second = await backend.create_user()
    assert second["user_id"] != first["user_id"]
    answer = await backend.call("POST", f"{USERS}/undo_delete?user_id={first['user_id']}")
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "A living user has this client user id or address."},
    ), "409 would be repeated by the SDKs (C7)"
    await delete(backend, second["user_id"])
    assert (await backend.call("POST", f"{USERS}/undo_delete?client_user_id=member-1")).status_code == 200
    assert (await backend.call("GET", f"{USERS}/resolve/member-1")).json() == second, "the one deleted last"


async def test_a_deleted_address_counts_as_unknown(backend: Backend, server: Server) -> None:
    backend = await new_backend(server, team=server.team)
    before = (await server.sign_in()).bundle["user"]["_id"]
    await delete(backend, before)
    after = (await server.sign_in()).bundle
    assert (after["newAccount"], after["user"]["_id"] != before) == (True, True)
    for name in ("user_id", "client_user_id"):
        assert (await backend.call("POST", f"{USERS}/undo_delete?{name}={before}")).status_code == 400
    await delete(backend, after["user"]["_id"])
    assert (await backend.call("POST", f"{USERS}/undo_delete?client_user_id={before}")).status_code == 200


async def test_after_the_purge_nothing_personal_is_left_and_the_phone_still_learns_why(backend: Backend) -> None:
    app = await backend.sign_in(**{"x-vital-android-sdk-version": "4.0.0"})
    await delete(backend, app.user_id)
    backend.server.clock.advance(seconds=WEEK)
    await backend.server.runtime.transact(purge_users)
    left = await backend.server.runtime.read(
        lambda unit: unit.db.execute(select(core_users.users).where(core_users.users.c.team_id == backend.team.id))
    )
    assert left.all() == []
    session = await app.session()
    assert (session.client_address, session.device_model, session.device_id, session.sdk) == (None,) * 4
    assert (await app.refresh()).json()["detail"]["error_type"] == "invalid_token"
    answer = await backend.call("GET", f"{USERS}/{app.user_id}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found"})

"""Deleted users and removed teams, by the admin API, and what their phones learn."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from administrator import Admin
from sqlalchemy import func, select

from backend import USERS, Backend, MobileApp, new_backend
from gatepass.adapters.worker import Worker
from gatepass.core import app_keys
from gatepass.core import users as core_users
from gatepass.core.schema import DAY

IOS = {"x-vital-ios-sdk-version": "4.1.2"}


@pytest.fixture
async def backend(admin: Admin) -> Backend:
    """A server of the team that the administrator looks after."""
    return await new_backend(admin.server, team=admin.server.team)


async def refused(app: MobileApp) -> str:
    """The word that the app's refresh is refused with."""
    answer = await app.refresh()
    assert answer.status_code == 400
    word: str = answer.json()["detail"]["error_type"]
    return word


async def sweep(admin: Admin) -> None:
    """What the worker does every few minutes."""
    server = admin.server
    await Worker(server.runtime.transact, server.app.state.postman, server.runtime.outbox_waits).sweep()


async def test_a_deleted_user_is_signed_out_listed_apart_and_brought_back(admin: Admin, backend: Backend) -> None:
    app = await backend.sign_in()
    path = f"{admin.team}/users/{app.user_id}"
    before = await admin.call("GET", path)
    assert before["deleted_at"] is None
    deleted = await admin.call("DELETE", path)
    assert {**deleted, "deleted_at": None} == before
    assert deleted["deleted_at"] is not None
    assert (await app.read()).status_code == 401
    assert await refused(app) == "invalid_token"
    await admin.call("GET", path, expect=404)
    await admin.call("DELETE", path, expect=404)
    assert (await admin.call("GET", f"{admin.team}/users"))["users"] == []
    listed = await admin.call("GET", f"{admin.team}/users", params={"deleted": True})
    assert listed == {"users": [deleted], "total": 1}

    assert await admin.call("POST", f"{path}/undelete") == before
    assert await refused(app) == "invalid_token", "the user came back, not the session"
    assert (await (await backend.sign_in(app.user_id)).read()).status_code == 200


async def test_an_undo_is_refused_for_the_living_and_when_the_mailbox_has_a_new_owner(admin: Admin) -> None:
    user = await admin.user()
    path = f"{admin.team}/users/{user['id']}"
    await admin.call("POST", f"{path}/undelete", expect=404)
    await admin.call("DELETE", path)
    await admin.user()
    assert "living user" in (await admin.call("POST", f"{path}/undelete", expect=409))["detail"]


async def test_seven_days_later_the_worker_erases_the_user_and_the_phone_still_learns_why(
    admin: Admin, backend: Backend
) -> None:
    app = await backend.sign_in(**IOS)
    await backend.call("GET", f"{USERS}/{app.user_id}", **IOS)
    await admin.call("DELETE", f"{admin.team}/users/{app.user_id}")
    admin.server.clock.advance(ms=7 * DAY - 1)
    await sweep(admin)
    await admin.call("POST", f"{admin.team}/users/{app.user_id}/undelete")
    await admin.call("DELETE", f"{admin.team}/users/{app.user_id}")

    admin.server.clock.advance(ms=7 * DAY)
    await sweep(admin)
    await admin.call("POST", f"{admin.team}/users/{app.user_id}/undelete", expect=404)
    left = await admin.server.runtime.read(
        lambda unit: unit.db.execute(
            select(
                select(func.count()).where(core_users.users.c.id == UUID(app.user_id)).scalar_subquery(),
                select(func.count()).where(app_keys.app_key_calls.c.user_id == UUID(app.user_id)).scalar_subquery(),
            )
        )
    )
    assert tuple(left.one()) == (0, 0)
    session = await app.session()
    assert (session.client_address, session.device_model, session.device_id, session.sdk) == (None,) * 4
    admin.server.clock.advance(ms=75 * DAY)
    await sweep(admin)
    assert await refused(app) == "invalid_token", "89 days after the session ended; its idle life is 90"


async def test_many_deleted_users_are_erased_in_batches(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatepass.core.user_deletion.PURGED_AT_ONCE", 2)
    monkeypatch.setattr("gatepass.core.user_deletion.purge_users.__defaults__", (2,))
    for number in range(5):
        user = await admin.user(f"user-{number}@example.com")
        await admin.call("DELETE", f"{admin.team}/users/{user['id']}")
    admin.server.clock.advance(ms=7 * DAY)
    await sweep(admin)
    assert (await admin.call("GET", f"{admin.team}/users", params={"deleted": True}))["total"] == 0


@pytest.mark.parametrize(("method", "tail"), [("DELETE", ""), ("POST", "/undelete")])
async def test_a_user_of_another_team_is_as_absent_as_one_that_never_was(admin: Admin, method: str, tail: str) -> None:
    user = await admin.user()
    other = await admin.other_team()
    if tail:
        await admin.call("DELETE", f"{admin.team}/users/{user['id']}")
    foreign = await admin.call(method, f"{other}/users/{user['id']}{tail}", expect=404)
    assert foreign == await admin.call(method, f"{other}/users/{uuid4()}{tail}", expect=404)


async def test_a_removed_team_takes_its_keys_and_sessions_with_it(admin: Admin, backend: Backend) -> None:
    app, phone = await backend.sign_in(), await admin.server.sign_in()
    bystander: Any = await (await new_backend(admin.server)).sign_in()
    assert await admin.call("DELETE", admin.team) == {"ended": 2}
    assert (await backend.call("GET", USERS)).status_code == 401
    assert (await app.read()).status_code == 401
    assert await refused(app) == "invalid_token"
    assert (await phone.refresh()).status_code == 400
    assert (await app.session()).end_cause == "team_gone"
    await admin.call("DELETE", admin.team, expect=404)
    await admin.call("GET", admin.team, expect=404)
    assert (await bystander.refresh()).status_code == 200

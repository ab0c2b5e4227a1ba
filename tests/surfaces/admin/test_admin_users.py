"""Users, by the admin API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from administrator import Admin

PROFILE = {
    "nickname": "Ada L.",
    "picture": "https://cdn.example.com/ada.png",
    "roles": ["GAMER", "MODERATOR"],
    "wallets": ["0x52908400098527886E0F7030069857D2E4169EE7"],
    "test_user": True,
}


async def test_a_user_is_made_read_and_changed(admin: Admin) -> None:
    made = await admin.user(client_user_id="customer-1", email_verified=True, **PROFILE)
    assert {name: made[name] for name in PROFILE} == PROFILE
    assert made["email_verified"] is True
    path = f"{admin.team}/users/{made['id']}"
    assert await admin.call("GET", path) == made
    assert await admin.call("PATCH", path, {}) == made
    changed = await admin.call("PATCH", path, {"picture": None, "roles": []})
    assert changed == {**made, "picture": None, "roles": []}


async def test_a_user_needs_a_mailbox_or_an_id(admin: Admin) -> None:
    assert (await admin.call("POST", f"{admin.team}/users", {}, expect=422))["field"] == "email"
    assert (await admin.call("POST", f"{admin.team}/users", {"client_user_id": "c"}, expect=201))["email"] is None


@pytest.mark.parametrize("taken", [{"email": "ADA@example.com"}, {"client_user_id": "customer-1"}])
async def test_a_taken_mailbox_or_id_is_a_conflict(admin: Admin, taken: dict[str, str]) -> None:
    await admin.user(client_user_id="customer-1")
    refused = await admin.call("POST", f"{admin.team}/users", taken, expect=409)
    assert "customer-1" not in refused["detail"]
    other = await admin.other_team()
    await admin.call("POST", f"{other}/users", taken, expect=201)


async def test_a_list_is_paged_newest_first_searched_and_filtered(admin: Admin) -> None:
    made = []
    for name in ("ada", "ben", "b_n"):
        admin.server.clock.advance(seconds=1)
        made.append(await admin.user(f"{name}@example.com"))
    await admin.call("POST", f"{admin.team}/users/{made[0]['id']}/ban", {"reason": "x"})

    async def listed(**params: Any) -> tuple[list[str], int]:
        page = await admin.call("GET", f"{admin.team}/users", params=params)
        return [user["email"].partition("@")[0] for user in page["users"]], page["total"]

    assert await listed() == (["b_n", "ben", "ada"], 3)
    assert await listed(limit=1, offset=1) == (["ben"], 3)
    assert await listed(offset=9) == ([], 3)
    assert await listed(search="B_N@") == (["b_n"], 1)
    assert await listed(search="%") == ([], 0)
    assert await listed(search=made[1]["id"]) == (["ben"], 1)
    assert await listed(banned=True) == (["ada"], 1)
    assert await listed(banned=False) == (["b_n", "ben"], 2)


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0}, {"limit": 501}, {"limit": "x"}, {"limit": 2**63}, {"offset": -1}, {"offset": 2**63},
        {"banned": "perhaps"}, {"search": "a\0b"}, {"search": "x" * 10**4},
    ],
)  # fmt: skip
async def test_a_bad_parameter_is_named_and_not_repeated(admin: Admin, params: dict[str, Any]) -> None:
    refused = await admin.call("GET", f"{admin.team}/users", params=params, expect=422)
    assert refused["field"] == next(iter(params))
    assert refused["detail"] == f"`{refused['field']}` is not acceptable; /docs shows what this route takes."


async def test_a_ban_signs_out_with_its_reason_and_an_unban_lets_sign_in_again(admin: Admin) -> None:
    phone = await admin.server.sign_in()
    (user,) = (await admin.call("GET", f"{admin.team}/users"))["users"]
    path = f"{admin.team}/users/{user['id']}"
    banned = await admin.call("POST", f"{path}/ban", {"reason": "Chargeback"})
    assert banned["ban_reason"] == "Chargeback"
    assert banned["banned_at"] is not None
    assert (await phone.refresh()).json()["error"]["banReason"] == "Chargeback"
    unbanned = await admin.call("POST", f"{path}/unban")
    assert unbanned == user
    assert (await phone.refresh()).status_code == 400
    await admin.server.sign_in()


async def test_a_ban_needs_no_body(admin: Admin) -> None:
    user = await admin.user()
    assert (await admin.call("POST", f"{admin.team}/users/{user['id']}/ban"))["ban_reason"] == ""


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"nickname": "Eve"}),
        ("POST", "/ban", {"reason": "x"}),
        ("POST", "/unban", None),
        ("GET", "/sessions", None),
        ("DELETE", "/sessions", None),
    ],
)
async def test_a_user_of_another_team_is_as_absent_as_one_that_never_was(
    admin: Admin, method: str, tail: str, body: Any
) -> None:
    user = await admin.user()
    other = await admin.other_team()
    foreign = await admin.call(method, f"{other}/users/{user['id']}{tail}", body, expect=404)
    assert foreign == await admin.call(method, f"{other}/users/{uuid4()}{tail}", body, expect=404)
    assert await admin.call("GET", f"{admin.team}/users/{user['id']}") == user


async def test_the_users_of_a_team_that_is_not_there_are_not_found(admin: Admin) -> None:
    for method, body in (("GET", None), ("POST", {"email": "ada@example.com"})):
        assert "no such team" in (await admin.call(method, f"/teams/{uuid4()}/users", body, expect=404))["detail"]

"""The journal: what a world's clients asked and got, told without a secret."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import pytest
from plane import ADMIN, Plane, World

from backend import LOCAL_TOKEN, USERS
from gatepass.traffic.journal import KEPT
from harness import ACCOUNT_QR, LOGIN, QR_VERIFY, REFRESH, SIGN_OUT, USERINFO, VERIFY

A_REIKEY = "5b1f0c86-3a57-4c0e-9d53-2f1e7a9c4d10"


async def journal(world: World, **query: Any) -> list[dict[str, Any]]:
    path = f"/_test/worlds/{world.team_id}/requests"
    answer = await world.plane.client.get(path, params=query, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    calls: list[dict[str, Any]] = answer.json()
    return calls


async def wait(world: World, **query: Any) -> Any:
    path = f"/_test/worlds/{world.team_id}/requests/wait"
    return await world.plane.client.get(path, params=query, headers=ADMIN)


async def unmatched(plane: Plane) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = (await plane.call("GET", "/requests/unmatched")).json()
    return calls


def secrets_in(value: Any) -> list[str]:
    """Every text anywhere in an answer that opens something, by the name it has there."""
    if isinstance(value, dict):
        texts = [
            text
            for name, text in value.items()
            if isinstance(text, str)
            and name
            in {"token", "refreshToken", "userCode", "reikey", "qrValue", "sign_in_token", "user_token"}
            | {"access_token", "refresh_token"}
        ]
        return texts + [text for inner in value.values() for text in secrets_in(inner)]
    return []


async def test_a_call_is_told_with_its_route_its_party_and_its_bodies(plane: Plane) -> None:
    world = await plane.make()
    phone = await world.sign_in()
    assert (await phone.refresh()).status_code == 200
    (call,) = await journal(world, path=REFRESH)
    assert call.pop("id") > 0
    assert call.pop("session") is not None
    data = call["response"]["data"]
    assert (data.pop("tokenExpiry"), data.pop("tokenLifeMS")) != (0, 0)
    assert call == {
        "at": plane.worlds.clock.server.now(),
        "took": 0,
        "method": "POST",
        "path": REFRESH,
        "query": {},
        "status": 200,
        "fault": None,
        "user": phone.bundle["user"]["_id"],
        "generation": 0,
        "request": {"refreshToken": "[redacted]"},
        "response": {
            "code": 1,
            "success": True,
            "data": {
                "token": "[redacted]",
                "refreshToken": "[redacted]",
                "user": {"_id": phone.bundle["user"]["_id"], "status": "ACTIVE", "banReason": ""},
            },
        },
    }


async def test_generations_tell_one_token_from_the_next(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    spent = phone.refresh_token
    await phone.userinfo()
    await phone.refresh()
    await phone.userinfo()
    await phone.refresh(spent)
    assert [(call["path"], call["generation"]) for call in await journal(world)][2:] == [
        (USERINFO, 0),
        (REFRESH, 0),
        (USERINFO, 1),
        (REFRESH, 0),
    ]


async def test_a_refusal_is_told_in_its_own_words(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    await world.post(REFRESH, {"refreshToken": "nonsense"})
    (call,) = await journal(world)
    assert (call["status"], call["response"]["error"]) == (400, {"status": 400, "code": "INVALID_REFRESH_TOKEN"})


async def test_no_secret_is_in_the_journal(sqlite_plane: Plane) -> None:
    """Keys, codes, tokens, one-time keys: as sent, as answered, in a path, a query and a form, right and wrong."""
    plane, secrets = sqlite_plane, []
    world = await plane.make(seed="the journal")  # so that no code turns up by chance in some other number
    secrets += [world.secret_key, world.publishable_key, world.production_publishable_key]
    asked = await world.ask_for_code()
    secrets.append(asked["userCode"])
    await world.post(VERIFY, {"transactionId": asked["transactionId"], "code": "9999999999"})
    await world.post(VERIFY, {"transactionId": asked["transactionId"], "code": int(asked["userCode"])})
    phone = await world.sign_in()
    secrets += secrets_in(phone.bundle)
    await phone.refresh()
    secrets += secrets_in(phone.bundle)
    shown = (await plane.client.post(ACCOUNT_QR, headers=phone.bearer)).json()["data"]
    secrets += [shown["qrValue"], shown["qrValue"].removeprefix("REIKEY:")]
    secrets += secrets_in((await world.post(QR_VERIFY, {"qrValue": shown["qrValue"].removeprefix("REIKEY:")})).json())
    headers = {"x-api-key": world.publishable_key}
    for stem in ("/sdk/auth/v2/session/reikey", "/sdk/auth/v2/session/reiky"):
        await plane.client.get(f"{stem}/{A_REIKEY}", headers=headers)
    user = await world.mint("users", client_user_id="member-1")
    headers = {"x-vital-api-key": world.secret_key}
    minted = (await plane.client.post(f"{USERS}/{user['user_id']}/sign_in_token", headers=headers)).json()
    secrets += secrets_in(minted)
    tokens = (await world.exchange(minted["sign_in_token"])).json()
    secrets += secrets_in(tokens)
    basic = base64.b64encode(f"x:{world.secret_key}".encode()).decode()
    form = {"token": tokens["access_token"]}
    await plane.client.post("/oauth/introspect", data=form, headers={"authorization": f"Basic {basic}"})
    misplaced = {"access_token": tokens["access_token"], "key": world.secret_key, "note": phone.refresh_token}
    await plane.client.get(USERINFO, params=misplaced, headers=phone.bearer)
    await plane.client.post(USERINFO + "/" + phone.refresh_token, content=b"{" + phone.refresh_token.encode())
    await world.post(LOGIN, [tokens["access_token"], {"deep": {"token": {"inner": "hush-hush"}}}])
    secrets += [basic, "hush-hush", "9999999999", A_REIKEY]

    said = (await world.call("GET", "/requests")).text + (await plane.call("GET", "/requests/unmatched")).text
    assert len(set(secrets)) >= 18
    assert [secret for secret in secrets if secret in said] == []
    paths = {call["path"] for call in await journal(world)}
    assert {"/sdk/auth/v2/session/reikey/{reikey}", "/sdk/auth/v2/session/reiky/{}", "/oauth/introspect"} <= paths
    (lost,) = [call for call in await journal(world, path=USERINFO) if call["query"]]
    assert lost["query"] == {"access_token": "[redacted]", "key": "[redacted]", "note": "[redacted]"}


async def test_calls_without_a_key_are_in_their_own_worlds_journal(sqlite_plane: Plane) -> None:
    one, other = await sqlite_plane.make(), await sqlite_plane.make()
    for world in (one, other):
        user = await world.mint("users", client_user_id="member-1")
        token = await world.mint("sign-in-tokens", user_id=user["user_id"])
        tokens = (await world.exchange(token["sign_in_token"])).json()
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert (await sqlite_plane.client.post(LOCAL_TOKEN, data=form)).status_code == 200
        calls = await journal(world, path=LOCAL_TOKEN)
        assert [(call["user"], call["status"]) for call in calls] == [(user["user_id"], 200)] * 2
        assert calls[1]["request"]["grant_type"] == "refresh_token"


async def test_a_fault_is_told_with_the_call_that_it_struck(sqlite_plane: Plane) -> None:
    """With the status that the handler gave, where the answer was lost."""
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await world.call("PUT", "/faults", [{"match": {"path": SIGN_OUT}, "do": {"kind": "commit_then_drop"}}])
    await phone.sign_out()
    (call,) = await journal(world, path=SIGN_OUT)
    assert (call["fault"], call["status"]) == ("commit_then_drop", 200)


async def test_calls_are_selected_by_path_and_method_and_place(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await phone.userinfo()
    await phone.refresh()

    async def paths(**query: Any) -> list[str]:
        return [call["path"] for call in await journal(world, **query)]

    assert await paths() == [LOGIN, VERIFY, USERINFO, REFRESH]
    assert await paths(path="*/signin/*") == [LOGIN, VERIFY]
    assert await paths(method="get") == [USERINFO]
    assert await paths(path="*/signin/*", method="GET") == []
    assert await paths(after=(await journal(world))[1]["id"]) == [USERINFO, REFRESH]


async def test_a_body_that_is_long_or_no_data_is_told_by_its_size(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    await world.post(LOGIN, {"email": "ada@example.com", "padding": "x" * 9000})
    headers = {"x-api-key": world.publishable_key}
    await sqlite_plane.client.post(LOGIN, content=b"\xff\xfe nonsense", headers=headers)
    assert [call["request"] for call in await journal(world)] == ["(9040 bytes)", "(11 bytes)"]


async def test_only_the_latest_calls_of_a_world_are_kept(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    headers = {"x-api-key": world.publishable_key}
    for number in range(KEPT + 5):
        await sqlite_plane.client.get("/livez", params={"n": number}, headers=headers)
    calls = await journal(world)
    assert [call["query"]["n"] for call in calls] == [str(number) for number in range(5, KEPT + 5)]


# Waiting.


async def test_whoever_waits_gets_the_calls_as_soon_as_there_are_enough(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    waiting = asyncio.create_task(wait(world, path=USERINFO, count=2, timeout=10))
    began = time.monotonic()
    await phone.userinfo()
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await phone.userinfo()
    answer = await waiting
    assert answer.status_code == 200
    assert [call["path"] for call in answer.json()] == [USERINFO, USERINFO]
    assert time.monotonic() - began < 5
    assert (await wait(world, path=USERINFO, count=2, timeout=0)).status_code == 200, "they are there already"


async def test_who_waits_in_vain_is_told_what_did_arrive(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await phone.userinfo()
    answer = await wait(world, path=USERINFO, count=3, timeout=0.1)
    said = answer.json()
    assert (answer.status_code, said["detail"]) == (408, "1 of 3 such calls arrived within 0.1 s")
    assert [call["path"] for call in said["arrived"]] == [USERINFO]
    said = (await wait(world, path=REFRESH, timeout=0.1)).json()
    assert said["detail"] == "0 of 1 such calls arrived within 0.1 s"
    assert [call["path"] for call in said["arrived"]] == [LOGIN, VERIFY, USERINFO], "so look at all there is"


async def test_a_call_that_hangs_is_told_while_it_hangs(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await world.call("PUT", "/faults", [{"match": {"path": USERINFO}, "do": {"kind": "hang"}}])
    hanging = asyncio.create_task(phone.userinfo())
    assert (await wait(world, path=USERINFO)).json()[0]["fault"] == "hang"
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging


# What missed.


@pytest.mark.parametrize(
    ("method", "path", "why", "near"),
    [
        ("POST", REFRESH.replace("refresh", "refesh"), "no such route", f"POST {REFRESH}"),
        ("POST", "/v1/tokens", "no such route", "POST /v1/token"),
        ("GET", "/v2/users/00000000-0000-4000-8000-000000000000", "no such route", "GET /v2/user/{user_id}"),
        ("PUT", REFRESH, "no such method", f"POST {REFRESH}"),
    ],
)
async def test_a_call_that_missed_is_told_with_what_it_may_have_meant(
    sqlite_plane: Plane, method: str, path: str, why: str, near: str
) -> None:
    await sqlite_plane.client.request(method, path)
    (call,) = await unmatched(sqlite_plane)
    assert (call["method"], call["why"], call["near"][0]) == (method, why, near)
    assert len(call["near"]) <= 3


async def test_a_call_from_nowhere_is_told_as_such(sqlite_plane: Plane) -> None:
    await sqlite_plane.server.post(REFRESH, {"refreshToken": "nonsense"}, key="pub_nobody_knows_this_key")
    assert [(call["path"], call["why"], call["near"]) for call in await unmatched(sqlite_plane)] == [
        (REFRESH, "of no known world", [])
    ]


async def test_what_is_far_from_everything_is_told_without_guesses(sqlite_plane: Plane) -> None:
    await sqlite_plane.client.get("/wp-login.php")
    (call,) = await unmatched(sqlite_plane)
    assert call["near"] == []


async def test_good_calls_are_not_among_them(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    await world.sign_in()
    for path in ("/livez", "/", "/.well-known/jwks.json"):
        assert (await sqlite_plane.client.get(path)).status_code == 200, path
    assert await unmatched(sqlite_plane) == []


async def test_nothing_is_kept_of_a_world_that_is_no_more(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    phone = await world.sign_in()
    await sqlite_plane.call("DELETE", f"/worlds/{world.team_id}")
    assert (await phone.userinfo()).status_code == 400
    assert (await world.call("GET", "/requests")).status_code == 404
    (call,) = await unmatched(sqlite_plane)
    assert call["why"] == "of no known world"
    traffic = sqlite_plane.server.app.state.traffic
    assert (traffic._journals, traffic._faults) == ({}, {})

"""`gatepass users delete`, `gatepass teams remove` and `gatepass keys in-apps`."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import Any
from uuid import UUID

import pytest

from backend import USERS, Backend
from gatepass.core import api_keys, teams
from gatepass.core.api_keys import Kind
from gatepass.core.schema import DAY
from harness import Server, serve

IOS = {"x-vital-ios-sdk-version": "4.1.2"}


def with_server(gatepass: Any, team_id: str, story: Any) -> Any:
    """What *story* finds on a server of the command line's database, as a backend of that team."""

    made_at = gatepass.json("teams", "show", team_id)["created_at"]

    async def run() -> Any:
        async with serve(gatepass.database_url) as server:
            server.clock.advance(ms=made_at - server.clock.now() + 1000)
            return await story(await backend_of(server, team_id))

    return asyncio.run(run())


async def backend_of(server: Server, team_id: str) -> Backend:
    async def make(unit: Any) -> Backend:
        team = await teams.get(unit, UUID(team_id))
        return Backend(server, team, (await api_keys.create(unit, team.id, Kind.SECRET)).text)

    return await server.runtime.transact(make)


def test_a_user_is_deleted_listed_apart_and_brought_back(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    gatepass.team()
    made = gatepass.json("users", "create", "--email", "ada@example.com")
    gone = gatepass.json("users", "delete", "ada@example.com")
    assert {**made, "deleted_at": gone["deleted_at"]} == gone
    assert gone["deleted_at"] >= made["created_at"]
    assert gatepass.json("users", "list") == {"users": [], "total": 0}
    assert gatepass.json("users", "list", "--deleted") == {"users": [gone], "total": 1}
    assert "deleted" in gatepass("users", "list", "--deleted").out.splitlines()[0]
    assert gatepass.json("users", "undelete", made["user_id"]) == made
    assert gatepass.json("users", "list")["users"] == [made]


def test_the_words_after_a_deletion_say_how_to_take_it_back_and_until_when(gatepass: Any) -> None:
    gatepass.team()
    gatepass("users", "create", "--email", "ada@example.com")
    said = gatepass("users", "delete", "ada@example.com")
    assert said.code == 0
    command = said.out.splitlines()[1].partition(": gatepass ")[2]
    assert gatepass(*command.split()).code == 0
    again = gatepass(*command.split())
    assert (again.code, again.err.splitlines()[0]) == (1, "error: there is no such user")


def test_an_undo_is_refused_when_the_mailbox_has_a_new_owner(gatepass: Any) -> None:
    gatepass.team()
    made = gatepass.json("users", "create", "--email", "ada@example.com")
    gatepass("users", "delete", "ada@example.com")
    gatepass("users", "create", "--email", "ada@example.com")
    said = gatepass("users", "undelete", made["user_id"])
    assert (said.code, "a living user has this client_user_id or address" in said.err) == (1, True)


def test_a_removed_team_ends_its_sessions(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    team = gatepass.team()
    app = with_server(gatepass, team, lambda backend: backend.sign_in())
    removed = gatepass.json("teams", "remove", team, "--yes")
    assert (removed["team_id"], removed["ended"]) == (team, 1)
    assert team not in gatepass("teams", "list").out
    assert gatepass("teams", "show", team).code == 1

    async def refresh() -> str:
        async with serve(gatepass.database_url) as server:
            app.server = server
            word: str = (await app.refresh()).json()["detail"]["error_type"]
            return word

    assert asyncio.run(refresh()) == "invalid_token"


def test_a_script_must_say_that_it_means_it(gatepass: Any) -> None:
    team = gatepass.team()
    said = gatepass("teams", "remove", team)
    assert (said.code, "give --yes" in said.err) == (2, True)
    assert gatepass("teams", "show", team).code == 0


@pytest.mark.parametrize(("typed", "left"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_it_asks_first(gatepass: Any, monkeypatch: pytest.MonkeyPatch, typed: str, left: int) -> None:
    team = gatepass.team()

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(io, "TextIOWrapper", lambda _: Terminal(typed))
    said = gatepass("teams", "remove", team)
    monkeypatch.undo()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert "Remove Acme" in said.out + said.err
    assert said.code == (1 if left else 0)


def test_the_meter_tells_who_still_carries_a_key(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    team = gatepass.team()
    empty = gatepass.json("keys", "in-apps")
    assert empty == {
        "apps": 0,
        "refuse_app_keys": False,
        "verdict": "no app carries a key any more; refuse_app_keys is off",
        "calls": [],
    }

    async def call(backend: Backend) -> tuple[str, str]:
        user = await backend.create_user()
        await backend.call("GET", f"{USERS}/{user['user_id']}", **IOS)
        return user["user_id"], backend.key

    user_id, key = with_server(gatepass, team, call)
    told = gatepass.json("keys", "in-apps", "--team", team)
    assert told["verdict"] == "1 app still carries a key; refuse_app_keys is off"
    (one,) = told["calls"]
    assert (one["user_id"], one["sdk"], one["calls"]) == (user_id, "ios 4.1.2", 1)
    assert key.startswith(one["visible"])
    words = gatepass("keys", "in-apps", "--team", team).out
    assert one["visible"] in words
    assert words.splitlines()[-1] == told["verdict"]
    assert key not in words
    gatepass("teams", "update", team, "--refuse-app-keys")
    assert gatepass.json("keys", "in-apps", "--team", team)["verdict"].endswith("refuse_app_keys is on")


def test_the_meter_forgets_apps_that_have_not_called_lately(gatepass: Any) -> None:
    team = gatepass.team()

    async def call_long_ago(backend: Backend) -> None:
        backend.server.clock.advance(ms=-2 * DAY)
        await backend.call("GET", USERS, **IOS)

    with_server(gatepass, team, call_long_ago)
    assert gatepass.json("keys", "in-apps", "--team", team, "--since", "3d")["apps"] == 1
    assert gatepass.json("keys", "in-apps", "--team", team, "--since", "47h")["apps"] == 0


@pytest.mark.parametrize("since", ["", "d", "30", "1w", "-1d", "1.5h", "٣d"])
def test_a_length_of_time_is_a_number_and_a_unit(gatepass: Any, since: str) -> None:
    gatepass.team()
    said = gatepass("keys", "in-apps", f"--since={since}")
    assert said.code == 2
    assert "write it like 90m, 12h or 30d" in said.err

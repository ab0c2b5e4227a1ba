"""`gatepass teams` and `gatepass keys`."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from gatepass.core import api_keys
from gatepass.core.errors import ApiKeyUnknown
from gatepass.wiring import Runtime
from harness import settings


def names_app(database_url: str, key: str) -> tuple[str, str]:
    """The team and environment that a publishable key names to the server."""

    async def ask() -> tuple[str, str]:
        runtime = Runtime(settings(database_url))
        try:
            found = await runtime.read(lambda unit: api_keys.authenticate_app(unit, key))
        finally:
            await runtime.close()
        return str(found.team.id), found.environment.value

    return asyncio.run(ask())


def test_a_team_is_made_listed_and_shown(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    made = gatepass.json("teams", "create", "--name", "Acme", "--region", "us", "--environment", "production")
    assert made == {"team_id": made["team_id"], "name": "Acme", "region": "us", "environment": "production"}
    assert gatepass.json("teams", "list") == [made]
    shown = gatepass.json("teams", "show", made["team_id"])
    assert shown == {**shown, **made, "sign_up": "open", "code_length": None, "owner_id": None}
    assert "Acme" in gatepass("teams", "list").out


@pytest.mark.parametrize(
    ("environment", "used"), [("production", "production"), ("sandbox", "development"), ("local", "development")]
)
def test_a_new_team_is_told_of_a_key_of_its_own_environment(gatepass: Any, environment: str, used: str) -> None:
    said = gatepass("teams", "create", "--name", "Acme", "--environment", environment).out

    assert f"--kind publishable --environment {used}\n" in said


def test_without_teams_the_list_says_how_to_make_one(gatepass: Any) -> None:
    assert gatepass.json("teams", "list") == []
    assert "gatepass teams create" in gatepass("teams", "list").out


def test_a_team_changes_what_is_named_and_nothing_else(gatepass: Any) -> None:
    team = gatepass.team()
    before = gatepass.json("teams", "show", team)
    changed = gatepass.json(
        *("teams", "update", team, "--sign-up", "known", "--code-length", "5", "--no-accept-development-keys"),
        *("--account-pages", "--no-new-device-notices", "--colour", "#1A7F4B", "--refuse-app-keys"),
    )
    assert changed == {
        **before,
        "sign_up": "known",
        "code_length": 5,
        "accept_development_keys": False,
        "account_pages": True,
        "new_device_notices": False,
        "colour": "#1a7f4b",
        "refuse_app_keys": True,
    }
    assert gatepass.json("teams", "update", team, "--code-length", "0")["code_length"] is None
    assert gatepass.json("teams", "update", team, "--colour", "none")["colour"] is None


def test_an_owner_is_a_user_of_the_team(gatepass: Any) -> None:
    team, other = gatepass.team(), gatepass.team("Other")
    user = gatepass.json("users", "create", "--email", "ada@example.com", "--team", team)["user_id"]
    assert gatepass.json("teams", "update", team, "--owner", user)["owner_id"] == user
    refused = gatepass("teams", "update", other, "--owner", user)
    assert (refused.code, refused.err.splitlines()[0]) == (1, "error: there is no such user")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("teams", "create", "--name", " "), 1, "name has 1 to 100 printable characters"),
        (("teams", "create", "--name", "A", "--region", "us", "--environment", "local"), 1, "region of a local team"),
        (("teams", "create", "--name", "A", "--region", "mars"), 2, "mars"),
        (("teams", "show", "acme"), 2, "that is no id of a team"),
        (("teams", "update", "{team}"), 2, "nothing to change"),
        (("teams", "update", "{team}", "--code-length", "11"), 1, "code_length is a whole number from 5 to 10"),
        (("keys", "create", "--kind", "publishable"), 1, "environment goes with a publishable key"),
        (("keys", "create", "--kind", "secret", "--environment", "production"), 1, "environment goes with"),
        (("keys", "revoke", "2f0d8f7e-54b7-4f0e-9d0d-6f3a2c1b0a99"), 1, "there is no such key"),
        (("keys", "import", "--kind", "secret"), 2, "no key came in on stdin"),
    ],
)
def test_what_cannot_be_is_refused_with_a_next_step(
    gatepass: Any, words: tuple[str, ...], code: int, said: str
) -> None:
    team = gatepass.team()
    answer = gatepass(*(word.format(team=team) for word in words))
    assert answer.code == code
    assert said in answer.err
    assert "\nnext: " in answer.err
    assert answer.out == ""


def test_a_key_is_shown_once_and_names_its_team(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    team = gatepass.team()
    made = gatepass.json("keys", "create", "--team", team, "--kind", "publishable", "--environment", "development")
    assert made.keys() == {"key_id", "key", "kind", "environment"}
    assert names_app(gatepass.database_url, made["key"]) == (team, "development")
    listed = gatepass("keys", "list", "--json")
    assert [key["key_id"] for key in listed.json] == [made["key_id"]]
    assert made["key"] not in listed.out


def test_a_revoked_key_opens_nothing(gatepass: Any) -> None:
    gatepass.team()
    made = gatepass.json("keys", "create", "--kind", "publishable", "--environment", "production")
    assert gatepass("keys", "revoke", made["key_id"]).code == 0
    with pytest.raises(ApiKeyUnknown):
        names_app(gatepass.database_url, made["key"])
    assert gatepass.json("keys", "list")[0]["revoked_at"] is not None


def test_a_secret_key_has_no_environment(gatepass: Any) -> None:
    gatepass.team()
    made = gatepass.json("keys", "create", "--kind", "secret")
    assert made["environment"] is None
    assert made["key"].startswith("sk_eu_")


def test_a_key_of_another_system_is_taken_over_from_stdin_and_never_echoed(gatepass: Any) -> None:
    team, theirs = gatepass.team(), "theirs-0123456789-abcdefghij"
    words = ("keys", "import", "--kind", "publishable", "--environment", "production")
    taken = gatepass(*words, "--json", stdin=f"{theirs}\n")
    assert taken.json.keys() == {"key_id", "kind", "environment"}
    assert UUID(taken.json["key_id"])
    assert names_app(gatepass.database_url, theirs) == (team, "production")
    again = gatepass(*words, stdin=theirs)
    assert (again.code, "this key is known already" in again.err) == (1, True)
    assert theirs not in taken.out + taken.err + again.out + again.err


def test_among_several_teams_one_must_be_named(gatepass: Any) -> None:
    gatepass.team()
    gatepass.team("Other")
    said = gatepass("keys", "list")
    assert said.code == 2
    assert "--team" in said.err

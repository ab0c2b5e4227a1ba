"""What belongs to another customer, or to another user, cannot be told from what is not there: on every route."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import httpx
import pytest
from parties import SAMPLES, Party, join, nobodys
from routes import Route, routes

from bad_input import contents
from gatepass.core import tables
from harness import Server

OPERATORS = {"AdminToken", "ManagementKey"}
"""Who holds these runs the server; there the path says which team is meant, and nothing else is to be reached by it."""
PERSONAL = {"AccessToken", "UserToken", "UserAccessToken"}
NO_OBJECTS = {
    "offset", "limit", "timeout", "since", "days", "from", "to", "before", "event", "search", "banned", "deleted",
    *SAMPLES,
}  # fmt: skip
"""What a caller fills in that names nothing of anybody's. A new name has to stand here or in `parties.py`."""

GIVEN = {"client_user_id", "email", "key"}
"""Names that a caller may give to things of her own, also where another customer has the same."""
_numbers = count(1)

_VOLATILE = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|player-\d{8}"
    r'|(?<=userCode":")\d+'
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)"
    r"|[\w.-]{30,}"
)


@pytest.fixture
async def ada(server: Server) -> Party:
    """The one who goes where she should not."""
    return await join(server, server.team, name="ada")


@pytest.fixture
async def bob(ada: Party) -> Party:
    """Of the same team."""
    return await join(ada.server, ada.team, name="bob")


@pytest.fixture
async def eve(ada: Party) -> Party:
    """Of another one."""
    return await join(ada.server, name="eve")


def told(answer: httpx.Response, sent: dict[str, str]) -> tuple[int, str, list[tuple[str, str]]]:
    """An answer without what any two answers differ in: new ids, and what was sent."""
    text = answer.text
    for name, value in sent.items():
        text = text.replace(value, f"<{name}>")
    headers = [(name, value) for name, value in answer.headers.items() if name not in ("content-length", "date")]
    return answer.status_code, _VOLATILE.sub("<new>", text), headers


def objects(route: Route, way: frozenset[str], party: Party) -> list[str]:
    """The names in *route* that may stand for something of another's."""
    fixed = {"team_id"} if way & OPERATORS and route.path.startswith("/admin/v1/teams/") else set()
    return [name for name in route.names if name in party.objects and name not in fixed]


def test_every_name_on_every_route_is_known_here() -> None:
    known = NO_OBJECTS | nobodys().keys()
    assert {f"{route}: {name}" for route in routes() for name in route.names if name not in known} == set()


async def mirrored(route: Route, way: frozenset[str], caller: Party, owner: Party) -> int:
    """Call *route* for each of *owner*'s objects and for nobody's: one answer to both, and nothing of *owner* in it."""
    names = objects(route, way, owner)
    if GIVEN.intersection(route.in_body) and route.method == "POST" and len(names) > 0:
        caller = await join(caller.server, name=f"ada-{next(_numbers)}")
    mine = {name: caller.objects[name] for name in route.names if name in caller.objects}
    if "key_id" in mine:
        mine |= {"key_id": nobodys()["key_id"]}  # her own would be revoked
    tries = [[name] for name in names] + ([names] if len(names) > 1 and not GIVEN.intersection(names) else [])
    for which in tries:
        foreign = {name: owner.objects[name] for name in which}
        absent = {name: nobodys()[name] for name in which}
        first = await caller.call(route, way, {**mine, **foreign})
        second = await caller.call(route, way, {**mine, **absent})
        assert told(first, foreign) == told(second, absent), (route, which)
        assert first.status_code < 500, (route, which)
        for name, value in owner.objects.items():
            assert name in which or value not in first.text, (route, name)
    return len(tries)


async def everything_of(party: Party) -> dict[str, Any]:
    """Every row that names the party's team."""
    rows = await contents(party.server, party.team.id)
    return {table.name: rows[table.name][1:] for table in tables.ALL if "team_id" in table.c}


async def test_what_another_team_has_is_not_there(ada: Party, eve: Party) -> None:
    before, tried = await everything_of(eve), 0
    assert len(before["users"]) == 2
    for route in routes():
        for way in route.ways:
            if not (way & OPERATORS and not route.path.startswith("/admin/v1/teams/")):
                tried += await mirrored(route, way, ada, eve)
    assert await everything_of(eve) == before
    assert tried > 60


async def test_what_another_user_has_is_not_there(ada: Party, bob: Party) -> None:
    """For whoever holds the token of one user; a team's own key reaches all of its users."""
    tried = 0
    for route in routes():
        for way in route.ways:
            if way & PERSONAL:
                tried += await mirrored(route, way, ada, bob)
    assert tried > 10
    user = f"/v2/user/{bob.objects['user_id']}"
    client, key = bob.server.client, {"x-vital-api-key": bob.credentials["TeamKey"]}
    assert (await client.get(user, headers=key)).json()["client_user_id"] == "bob"
    assert (await client.get(user, headers={"authorization": f"Bearer {bob.credentials['UserToken']}"})).is_success


async def test_a_user_reads_what_is_there_with_the_right_credential(ada: Party) -> None:
    """Else the tests above would prove nothing."""
    (route,) = [route for route in routes() if str(route) == "GET /v2/user/{user_id}"]
    for way in route.ways:
        assert (await ada.call(route, way, ada.objects)).json()["user_id"] == ada.objects["user_id"]
    (route,) = [route for route in routes() if str(route) == "GET /sdk/auth/v2/account/qr/{qr_id}"]
    assert (await ada.call(route, route.ways[0], ada.objects)).status_code == 200

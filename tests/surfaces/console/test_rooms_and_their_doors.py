"""Rooms ask who is there, and those of test mode do not exist elsewhere."""

from __future__ import annotations

import pytest

from gatepass.surfaces.console.snippets import PLACEHOLDER, is_harmless, snippets_for
from harness import Server

NOBODY = "00000000-0000-4000-8000-000000000000"
EVERYWHERE = ("/signing-keys", "/audit", "/audit.csv", f"/teams/{NOBODY}/app-keys", f"/teams/{NOBODY}/try")
IN_TEST_MODE = ("/worlds", f"/teams/{NOBODY}/world", f"/teams/{NOBODY}/inbox", f"/teams/{NOBODY}/inbox/{NOBODY}/body")


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_who_is_not_signed_in_is_sent_to_the_door(sqlite_server: Server, path: str) -> None:
    answer = await sqlite_server.client.get(f"/console{path}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/sign-in?next=")


@pytest.mark.parametrize("path", IN_TEST_MODE)
async def test_rooms_of_test_mode_do_not_exist_elsewhere(sqlite_server: Server, path: str) -> None:
    assert (await sqlite_server.client.get(f"/console{path}")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/signing-keys/access/rotate",
        f"/teams/{NOBODY}/app-keys",
        f"/teams/{NOBODY}/try",
        f"/teams/{NOBODY}/try/key",
    ],
)
async def test_nothing_is_changed_by_a_form_of_nobody(sqlite_server: Server, path: str) -> None:
    answer = await sqlite_server.client.post(f"/console{path}", data={"refuse": "yes"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/sign-in")


@pytest.mark.parametrize("key", ["' ; rm -rf /", 'a"b' * 9, "$(id)$(id)$(id)$(id)", "x" * 15, "a\nb" * 9, "\\" * 20])
def test_a_key_that_means_something_in_code_never_stands_in_it(key: str) -> None:
    assert not is_harmless(key)
    for snippet in snippets_for("http://127.0.0.1:8000", key):
        assert key not in snippet.code
        assert PLACEHOLDER in snippet.code

"""Getting into the console, and being kept out of it."""

from __future__ import annotations

import asyncio
import re
from uuid import uuid4

import pytest
from operator_at_work import WORDS, Visitor, at_work, invite, link_for, use

from gatepass.core import audit, operators, worlds
from gatepass.core.errors import LinkRefused
from gatepass.core.operators import LINK_TTL
from gatepass.core.schema import DAY, HOUR, MINUTE
from gatepass.core.worlds import World
from harness import Server, serve


async def test_a_link_lets_in_once_and_only_its_first_use_counts_also_in_a_race(server: Server, name: str) -> None:
    link = await invite(server, name)
    visitors = [Visitor(server) for _ in range(4)]
    for visitor in visitors:
        await visitor.get(link.path)
    answers = await asyncio.gather(
        *(
            visitor.post(link.path, password=f"{WORDS} {number}", password_again=f"{WORDS} {number}")
            for number, visitor in enumerate(visitors)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [303, 404, 404, 404]
    assert [await visitor.is_in() for visitor in visitors].count(True) == 1
    (winner,) = (number for number, answer in enumerate(answers) if answer.status_code == 303)
    assert (await Visitor(server).sign_in(name, f"{WORDS} {winner}")).status_code == 303


async def test_looking_at_a_link_spends_nothing_and_a_refused_form_neither(server: Server, name: str) -> None:
    link, visitor = await invite(server, name), Visitor(server)
    for _ in range(3):
        assert (await visitor.get(link.path)).status_code == 200
    short = await visitor.post(link.path, password="short", password_again="short")
    assert (short.status_code, "10 to 200 characters" in short.text) == (422, True)
    assert (await use(visitor, link)).status_code == 303


async def test_a_link_dies_after_an_hour_and_with_the_next_one(server: Server, name: str) -> None:
    old = await invite(server, name)
    new = await link_for(server, name)
    assert (await Visitor(server).get(old.path)).status_code == 404
    server.clock.advance(ms=LINK_TTL - 1)
    assert (await Visitor(server).get(new.path)).status_code == 200
    server.clock.advance(ms=1)
    visitor = Visitor(server)
    assert (await visitor.get(new.path)).status_code == 404
    await visitor.get("/console/sign-in")
    assert (await visitor.post(new.path, password=WORDS, password_again=WORDS)).status_code == 404


async def test_the_first_link_makes_the_first_operator_and_none_after_him(fresh: Server) -> None:
    first = await fresh.runtime.transact(operators.first_link)
    second = await fresh.runtime.transact(operators.first_link)
    assert first is not None
    assert second is not None
    assert (await Visitor(fresh).get(first.path)).status_code == 404
    other = await invite(fresh, "bob")
    assert (await Visitor(fresh).get(second.path)).status_code == 404
    assert await fresh.runtime.transact(operators.first_link) is None
    with pytest.raises(LinkRefused):
        await fresh.runtime.transact(lambda unit: operators.use_link(unit, second.token, "eve", "x", "y" * 43))
    assert (await use(Visitor(fresh), other)).status_code == 303


async def test_without_operators_the_console_says_what_to_do(fresh: Server) -> None:
    page = await Visitor(fresh).get("/console")
    assert page.status_code == 200
    assert "gatepass operators create" in page.text
    assert (await Visitor(fresh).get("/console/sign-in")).headers["location"] == "/console"


async def test_a_new_cookie_comes_with_signing_in_and_a_planted_one_is_worth_nothing(server: Server, name: str) -> None:
    await at_work(server, name)
    visitor = Visitor(server)
    await visitor.get("/console/sign-in")
    planted = visitor.cookie
    assert (await visitor.sign_in(name)).status_code == 303
    assert visitor.cookie != planted
    assert await visitor.is_in()
    thief = Visitor(server)
    thief.client.cookies.set("gatepass-console-8000", planted, domain="127.0.0.1", path="/")
    assert not await thief.is_in()


async def test_signing_out_ends_the_session_and_not_only_the_cookie(server: Server, operator: Visitor) -> None:
    kept = operator.cookie
    assert (await operator.post("/console/sign-out")).status_code == 303
    thief = Visitor(server)
    thief.client.cookies.set("gatepass-console-8000", kept, domain="127.0.0.1", path="/")
    assert not await thief.is_in()


async def test_a_browser_is_signed_out_when_idle_and_in_the_end_in_any_case(server: Server, operator: Visitor) -> None:
    for _ in range(15):
        server.clock.advance(ms=11 * HOUR)
        assert await operator.is_in()
    server.clock.advance(ms=4 * HOUR)
    assert not await operator.is_in()

    other = await at_work(server, f"idle-{uuid4().hex[:8]}")
    server.clock.advance(ms=12 * HOUR)
    assert not await other.is_in()


async def test_a_name_that_nobody_has_and_a_wrong_password_are_answered_alike(server: Server, name: str) -> None:
    await at_work(server, name)
    visitor = Visitor(server)
    wrong = await visitor.sign_in(name, "wrong horse battery")
    nobody = await visitor.sign_in(f"no-{name}", "wrong horse battery")
    assert wrong.status_code == nobody.status_code == 401

    def without_chance(text: str) -> str:
        return re.sub(r'(nonce|value)="[^"]*"', "", text)

    assert without_chance(wrong.text) == without_chance(nobody.text)


async def test_a_strangers_guesses_are_stopped_and_keep_no_operator_out(server: Server, name: str) -> None:
    home = await at_work(server, name, address="198.51.100.1")
    await home.post("/console/sign-out")
    for stranger in range(5):
        visitor = Visitor(server, address=f"203.0.113.{stranger}")
        for _ in range(4):
            last = await visitor.sign_in(name, "a guess of a stranger")
    assert last.status_code == 429
    assert int(last.headers["retry-after"]) <= 10 * 60

    # Where the operator was before, the password still works;
    assert (await home.sign_in(name)).status_code == 303
    # elsewhere it has to wait like everyone's guesses,
    away = Visitor(server, address="203.0.113.77")
    assert (await away.sign_in(name)).status_code == 429
    # but a link from the command line opens at once,
    assert (await use(away, await link_for(server, name))).status_code == 303
    # and the wait ends by itself.
    server.clock.advance(ms=10 * MINUTE)
    assert (await Visitor(server, address="203.0.113.78").sign_in(name)).status_code == 303


async def test_parallel_guesses_do_not_slip_through_the_limit(server: Server, name: str) -> None:
    await at_work(server, name)
    server.clock.advance(ms=100 * DAY)
    visitors = [Visitor(server, address="203.0.113.9") for _ in range(14)]
    for visitor in visitors:
        await visitor.get("/console/sign-in")
    answers = await asyncio.gather(
        *(visitor.post("/console/sign-in", name=name, password="one of many guesses") for visitor in visitors)
    )
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 4


async def test_a_removed_operator_is_out_at_once(server: Server, operator: Visitor, name: str) -> None:
    other = await at_work(server, f"{name}-other")
    listed = (await operator.get("/console/operators")).text
    path = listed.partition(f"{name}-other")[2].partition('href="')[2].partition('"')[0]
    assert path.endswith("/remove")
    await operator.get(path)
    assert (await operator.post(path)).status_code == 303
    assert not await other.is_in()
    assert (await Visitor(server).sign_in(f"{name}-other")).status_code == 401
    own = [
        line for line in (await operator.get("/console/operators")).text.splitlines() if 'class="danger" href' in line
    ]
    assert not any(name in line and f"{name}-" not in line for line in own)


async def test_a_new_password_signs_every_other_browser_out(server: Server, operator: Visitor, name: str) -> None:
    other = Visitor(server)
    await other.sign_in(name)
    change = {"new_password": "another long phrase", "new_password_again": "another long phrase"}
    refused = await operator.post("/console/me/password", password="not the right one", **change)
    assert (refused.status_code, await other.is_in()) == (422, True)
    assert (await operator.post("/console/me/password", password=WORDS, **change)).status_code == 303
    assert [await operator.is_in(), await other.is_in()] == [True, False]
    assert (await Visitor(server).sign_in(name, WORDS)).status_code == 401
    assert (await Visitor(server).sign_in(name, "another long phrase")).status_code == 303


async def test_another_browser_of_ones_own_can_be_signed_out_and_nobody_elses(
    server: Server, operator: Visitor, name: str
) -> None:
    other, stranger = Visitor(server), await at_work(server, f"{name}-other")
    await other.sign_in(name)
    (end,) = re.findall(r'action="(/console/me/browsers/[0-9a-f-]{36}/end)"', (await operator.get("/console/me")).text)
    await stranger.post(end)
    assert await other.is_in()
    await operator.post(end)
    assert [await operator.is_in(), await other.is_in(), await stranger.is_in()] == [True, False, True]


async def test_what_an_operator_does_is_written_down_as_his_doing(server: Server, operator: Visitor, name: str) -> None:
    await operator.post(f"/console/teams/{server.team.id}/keys", kind="secret")
    found = await server.runtime.read(lambda unit: operators.get_by_name(unit, name))
    newest, *_ = await server.runtime.read(lambda unit: audit.list_events(unit, audit.Filter(team_id=server.team.id)))
    assert newest.event is audit.Event.KEY_CREATED
    assert newest.detail["by_operator"] == str(found.id)


async def test_a_teams_own_clock_moves_its_pages_and_signs_no_operator_out(sqlite_url: str, name: str) -> None:
    async with serve(sqlite_url, test_mode=True) as server:
        visitor, phone = await at_work(server, name), await server.sign_in()
        user = f"/console/teams/{server.team.id}/users/{phone.bundle['user']['_id']}"
        assert "1 device signed in" in (await visitor.get(user)).text
        later = World(server.team.id, offset_ms=200 * DAY)
        await server.runtime.transact(lambda unit: worlds.set_clock(unit, later))
        page = await visitor.get(user)
        assert "Not signed in anywhere" in page.text
        assert await visitor.is_in()


async def test_over_https_the_cookie_is_bound_to_the_host(sqlite_url: str, name: str) -> None:
    async with serve(sqlite_url, public_url="https://auth.example.com") as server:
        visitor = Visitor(server, base_url="https://auth.example.com")
        page = await visitor.get((await invite(server, name)).path)
        (cookie,) = page.headers.get_list("set-cookie")
        name_and_value, *attributes = cookie.split("; ")
        assert name_and_value.startswith("__Host-gatepass-console=")
        assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=lax", "Secure"}


async def test_over_plain_http_it_has_no_prefix_that_a_browser_would_refuse(server: Server, name: str) -> None:
    page = await Visitor(server).get((await invite(server, name)).path)
    (cookie,) = page.headers.get_list("set-cookie")
    name_and_value, *attributes = cookie.split("; ")
    assert name_and_value.startswith("gatepass-console-8000=")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=lax"}

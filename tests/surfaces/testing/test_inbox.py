"""The mail of a world, and waiting for it."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest
from plane import Plane

from gatepass.core import inbox
from harness import VERIFY

LATE = 30
"""Seconds that a wait may take here; it takes none unless it slept through its mail."""


async def test_a_mail_comes_with_its_code_and_transaction(plane: Plane) -> None:
    world = await plane.make(name="Acme")
    asked = await world.ask_for_code("Ada@Example.com")
    await plane.deliver()
    (message,) = await world.messages()
    assert message["code"] == asked["userCode"]
    assert message["transaction_id"] == asked["transactionId"]
    assert (message["to"], message["sent_at"]) == ("Ada@Example.com", "2026-09-21T14:13:20.250Z")
    assert message["code"] in message["subject"]
    assert message["code"] in message["text"]
    assert message["code"] in message["html"]
    body = {"transactionId": message["transaction_id"], "code": message["code"]}
    assert (await world.post(VERIFY, body)).status_code == 200


async def test_an_inbox_shows_its_own_world_and_the_address_asked_for(plane: Plane) -> None:
    world, other = await plane.make(), await plane.make()
    for email in ("ada@example.com", "bob@example.com"):
        await world.ask_for_code(email)
    await other.ask_for_code("ada@example.com")
    await plane.deliver()
    assert [message["to"] for message in await world.messages()] == ["ada@example.com", "bob@example.com"]
    assert [message["to"] for message in await world.messages(to="BOB@example.com")] == ["bob@example.com"]
    assert await other.messages(to="bob@example.com") == []


async def test_mails_that_arrive_at_once_arrive_one_after_the_other(plane: Plane) -> None:
    """Each has its place, so that waiting for the next one misses none."""
    world = await plane.make()
    asked = [await world.ask_for_code(f"{number}@example.com") for number in range(12)]
    await plane.deliver()
    messages = await plane.server.runtime.read(lambda unit: inbox.list_messages(unit, UUID(world.team_id)))
    assert [message.number for message in messages] == list(range(1, len(asked) + 1))


async def test_waiting_ends_when_the_worker_has_delivered(plane: Plane) -> None:
    world = await plane.make()
    async with plane.worker().running():
        waiting = asyncio.create_task(world.wait(to="ada@example.com", timeout=LATE))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        asked = await world.ask_for_code()
        answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (200, asked["userCode"])


async def test_waiting_asks_the_database_only_when_mail_has_come(sqlite_plane: Plane) -> None:
    world = await sqlite_plane.make()
    looks = 0
    read = sqlite_plane.server.runtime.read

    async def counted(*given: object, **named: object) -> object:
        nonlocal looks
        looks += 1
        return await read(*given, **named)  # type: ignore[arg-type]

    sqlite_plane.server.runtime.read = counted  # type: ignore[method-assign, assignment]
    try:
        assert (await world.wait(timeout=0.5)).status_code == 408
    finally:
        sqlite_plane.server.runtime.read = read  # type: ignore[method-assign]
    assert looks == 3  # whose world it is, what is there, and what had come


async def test_a_wait_in_vain_says_what_did_come(plane: Plane) -> None:
    world = await plane.make()
    await world.ask_for_code("bob@example.com")
    await plane.deliver()
    answer = await world.wait(to="ada@example.com", timeout=0.05)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (408, 408)
    assert [message["to"] for message in problem["arrived"]] == ["bob@example.com"]
    assert answer.headers["content-type"] == "application/problem+json"


async def test_of_two_codes_the_latest_is_meant_unless_the_earlier_was_seen(plane: Plane) -> None:
    world = await plane.make()
    first = await world.ask_for_code()
    await plane.deliver()
    seen = (await world.wait()).json()
    assert seen["code"] == first["userCode"]
    assert (await world.wait(after=seen["id"], timeout=0.05)).status_code == 408
    second, third = await world.ask_for_code(), await world.ask_for_code()
    await plane.deliver()
    following = (await world.wait(after=seen["id"])).json()
    assert following["transaction_id"] == second["transactionId"]
    assert (await world.wait(after=following["id"])).json()["transaction_id"] == third["transactionId"]
    assert (await world.wait()).json()["transaction_id"] == third["transactionId"]


@pytest.mark.parametrize("seconds", [86_400, -86_400])
async def test_mail_goes_by_the_worlds_clock_and_comes_in_the_order_of_its_arrival(plane: Plane, seconds: int) -> None:
    world = await plane.make()
    await world.ask_for_code()
    await plane.deliver()
    (first,) = await world.messages()
    await world.advance(seconds)
    asked = await world.ask_for_code()
    await plane.deliver()
    second = (await world.wait(after=first["id"])).json()
    assert second["transaction_id"] == asked["transactionId"]
    assert second["sent_at"][:10] == ("2026-09-22" if seconds > 0 else "2026-09-20")
    assert [message["id"] for message in await world.messages()] == [first["id"], second["id"]]


async def test_a_mail_whose_code_has_died_in_its_world_is_never_sent(plane: Plane) -> None:
    world, other = await plane.make(), await plane.make()
    await world.ask_for_code()
    await other.ask_for_code()
    await world.advance(601)
    await plane.deliver()
    assert [len(await each.messages()) for each in (world, other)] == [0, 1]


async def test_many_wait_at_once_each_for_its_own(sqlite_plane: Plane) -> None:
    worlds = [await sqlite_plane.make() for _ in range(20)]
    async with sqlite_plane.worker().running():
        began = time.monotonic()
        waiting = [asyncio.create_task(world.wait(timeout=LATE)) for world in worlds]
        asked = [await world.ask_for_code() for world in worlds]
        answers = await asyncio.gather(*waiting)
    assert [answer.json()["code"] for answer in answers] == [each["userCode"] for each in asked]
    assert time.monotonic() - began < LATE
    assert len(sqlite_plane.worlds.arrivals) == 0

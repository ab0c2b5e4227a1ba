"""When a key was used last and by what, as whoever revokes it wants to know."""

from __future__ import annotations

from uuid import uuid4

from backend import new_backend
from gatepass.core import api_keys, key_uses
from gatepass.core.api_keys import Kind
from gatepass.core.key_uses import MOST_AGENTS, KeyUse, agent_of
from gatepass.core.schema import HOUR
from gatepass.core.unit import Caller, Unit
from harness import LOGIN, Server


async def uses_of(server: Server, visible: str) -> list[KeyUse]:
    """What is known of the key that begins so, after everything is written."""
    await server.runtime.tally.keys.write(server.runtime.transact)

    async def work(unit: Unit) -> list[KeyUse]:
        (key,) = [one for one in await api_keys.list_keys(unit, server.team.id) if visible.startswith(one.visible)]
        return await key_uses.list_of_key(unit, server.team.id, key.id)

    return await server.runtime.read(work)


async def test_a_key_knows_when_it_was_used_last_and_by_what(server: Server) -> None:
    assert await uses_of(server, server.development_key) == []
    began = server.clock.now()
    for agent in ("AcmeGame/2.1 (Ada's phone; x)", "okhttp/4.12.0"):
        await server.post(LOGIN, {"email": "ada@example.com"}, headers={"user-agent": agent})
        await uses_of(server, server.development_key)  # as every few seconds
        server.clock.advance(ms=HOUR)
    await server.post(LOGIN, {"email": "ada@example.com"}, headers={"user-agent": "AcmeGame/2.1"})
    found = [use for use in await uses_of(server, server.development_key) if use.agent]
    assert [(use.agent, use.first_at, use.last_at) for use in found] == [
        ("AcmeGame/2.1", began, began + 2 * HOUR),
        ("okhttp/4.12.0", began + HOUR, began + HOUR),
    ]
    assert await uses_of(server, server.production_key) == []


async def test_refreshing_uses_the_key_too(server: Server) -> None:
    phone = await server.sign_in()
    server.clock.advance(ms=5 * HOUR)
    server.runtime.forget()
    assert (await phone.refresh()).status_code == 200
    assert max(use.last_at for use in await uses_of(server, server.development_key)) == server.clock.now()


async def test_a_secret_key_is_used_by_the_sdk_that_says_so(server: Server) -> None:
    backend = await new_backend(server, team=server.team)
    await backend.call("GET", "/v2/user", **{"user-agent": "junction-python/2.0.0"})
    assert {use.agent for use in await uses_of(server, backend.key)} == {"junction-python/2.0.0", ""}


async def test_a_refused_key_is_not_used(server: Server) -> None:
    await server.post(LOGIN, {"email": "ada@example.com"}, key=f"{server.development_key}x")
    assert await uses_of(server, server.development_key) == []


async def test_callers_who_call_themselves_anything_fill_nothing(server: Server) -> None:
    for number in range(MOST_AGENTS + 8):
        headers = {"user-agent": f"Agent{number}/1"}
        await server.post(LOGIN, {"email": "ada@example.com"}, headers=headers)
    assert len(await uses_of(server, server.development_key)) == MOST_AGENTS
    server.clock.advance(ms=HOUR)
    await server.post(LOGIN, {"email": "ada@example.com"}, headers={"user-agent": "Agent0/1"})
    latest = {use.agent for use in await uses_of(server, server.development_key) if use.last_at == server.clock.now()}
    assert "Agent0/1" in latest


async def test_a_later_use_is_never_overwritten_by_an_earlier_one(server: Server) -> None:
    key = (await server.runtime.transact(lambda unit: api_keys.create(unit, server.team.id, Kind.SECRET))).stored
    use = (server.team.id, key.id, "x")
    for at in (2000, 1000):
        await server.runtime.transact(lambda unit, at=at: key_uses.add(unit, {use: at}))  # type: ignore[misc]
    (found,) = await server.runtime.read(lambda unit: key_uses.list_of_key(unit, server.team.id, key.id))
    assert (found.first_at, found.last_at) == (2000, 2000)


async def test_nothing_is_noted_of_a_key_that_is_gone(server: Server) -> None:
    use = (server.team.id, uuid4(), "x")
    await server.runtime.transact(lambda unit: key_uses.add(unit, {use: 1}))
    assert await server.runtime.read(lambda unit: key_uses.last_used(unit, server.team.id)) == {}


def test_an_agent_is_a_product_and_never_what_could_be_a_person() -> None:
    for said, kept in (
        ("okhttp/4.12.0", "okhttp/4.12.0"),
        ("AcmeGame/2.1 (iPhone; Ada's phone)", "AcmeGame/2.1"),
        ("Mozilla/5.0 (X11)", "Mozilla/5.0"),
        ("<script>alert(1)</script>", ""),
        ("", ""),
        ("9lives", ""),
        ("x" * 300, "x" * 40),
    ):
        assert agent_of(Caller(user_agent=said)) == kept
    assert agent_of(Caller(user_agent="okhttp/4.12.0", sdk="android 5.0.0")) == "android 5.0.0"

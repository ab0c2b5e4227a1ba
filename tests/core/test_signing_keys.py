"""Signing keys change under a running server: published, then signing, then verifying until the last token died."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from gatepass.adapters.clock import ManualClock
from gatepass.core import jws, signing_keys
from gatepass.core.schema import MINUTE, SECOND
from gatepass.core.server_secret import SealBroken
from gatepass.core.signing_keys import DEPLOYMENT, PUBLISHED_BEFORE, Ring, SigningKey, State
from gatepass.wiring import Runtime
from harness import SECRET, Server, serve, settings

LIFE = 3600 * SECOND


@dataclass
class Process:
    """One server process: its runtime and its own clock."""

    runtime: Runtime
    clock: ManualClock
    scope: UUID

    async def signs(self) -> SigningKey:
        return await self.runtime.keyring.signer(Ring.SIGN_IN, self.scope)

    async def token(self) -> str:
        key = await self.signs()
        return jws.sign({"n": 1}, key.private, algorithm="RS256", typ="JWT", kid=key.kid)

    async def reads(self, token: str) -> bool:
        keys = await self.runtime.keyring.verifiers(Ring.SIGN_IN, self.scope)
        try:
            jws.verify(token, keys, algorithm="RS256", typ="JWT", claims={})
        except jws.NotOurs:
            return False
        return True


@pytest.fixture
async def pair(server: Server) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes on one database, and a ring that only they use."""
    url = server.runtime.settings.database_url.get_secret_value()
    clock = ManualClock()
    other = Runtime(settings(url), clock=clock)
    yield Process(server.runtime, server.clock, server.team.id), Process(other, clock, server.team.id)
    await other.close()


def advance(pair: tuple[Process, Process], ms: int) -> None:
    for process in pair:
        process.clock.advance(ms=ms)


async def test_two_processes_with_an_empty_ring_sign_with_one_key(pair: tuple[Process, Process]) -> None:
    one, two = pair
    assert await one.reads("a.b.c") is await two.reads("a.b.c") is False
    token = await one.token()
    assert await two.reads(token)
    assert (await one.signs()).kid == (await two.signs()).kid


async def test_a_key_is_published_before_it_signs_and_verifies_until_its_last_token_died(
    pair: tuple[Process, Process],
) -> None:
    one, two = pair
    old = await one.signs()
    await two.signs()
    new = await one.runtime.keyring.rotate(Ring.SIGN_IN, one.scope)
    assert new.activates_at == one.clock.now() + PUBLISHED_BEFORE

    advance(pair, SECOND)
    for process in pair:
        assert new.kid in await process.runtime.keyring.verifiers(Ring.SIGN_IN, process.scope)
        assert (await process.signs()).kid == old.kid

    advance(pair, PUBLISHED_BEFORE - SECOND - 1)
    last = await two.token()
    assert (await one.signs()).kid == old.kid
    advance(pair, 1)
    assert {(await process.signs()).kid for process in pair} == {new.kid}
    advance(pair, LIFE + MINUTE)
    assert await one.reads(last)
    advance(pair, MINUTE + SECOND)
    assert not await one.reads(last)
    assert not await two.reads(last)
    assert await one.reads(await two.token())


async def test_at_once_no_process_meets_a_token_whose_key_it_does_not_know(pair: tuple[Process, Process]) -> None:
    one, two = pair
    old = await two.signs()
    new = await one.runtime.keyring.rotate(Ring.SIGN_IN, one.scope, at_once=True)
    kids = set()
    for _ in range(12):
        for signs, reads in (pair, pair[::-1]):
            assert await reads.reads(await signs.token())
            kids.add((await signs.signs()).kid)
        advance(pair, 250)
    assert kids == {old.kid, new.kid}
    assert {(await process.signs()).kid for process in pair} == {new.kid}


async def test_rotating_twice_in_a_row_loses_no_token(pair: tuple[Process, Process]) -> None:
    one, two = pair
    tokens = [await one.token()]
    await one.runtime.keyring.rotate(Ring.SIGN_IN, one.scope)
    await two.runtime.keyring.rotate(Ring.SIGN_IN, two.scope)
    for _ in range(15):
        advance(pair, MINUTE)
        tokens.append(await two.token())
        assert [await one.reads(token) for token in tokens] == [True] * len(tokens)
    states = [key.state for key in await one.runtime.read(lambda unit: signing_keys.list_all(unit, one.scope))]
    assert states == [State.RETIRING, State.RETIRING, State.SIGNING]


async def test_one_teams_ring_and_the_deployments_never_stand_in_for_each_other(server: Server) -> None:
    keyring = server.runtime.keyring
    other, _, _ = await server.new_team("Other")
    mine = await keyring.signer(Ring.SIGN_IN, server.team.id)
    theirs = await keyring.signer(Ring.SIGN_IN, other.id)
    access = await keyring.signer(Ring.ACCESS)
    assert len({mine.kid, theirs.kid, access.kid}) == 3
    assert mine.kid not in await keyring.verifiers(Ring.ACCESS)
    assert mine.kid not in await keyring.verifiers(Ring.SIGN_IN, other.id)
    assert DEPLOYMENT not in {mine.scope, theirs.scope}


async def test_the_published_half_holds_nothing_private(server: Server) -> None:
    access = await server.runtime.keyring.signer(Ring.ACCESS)
    sign_in = await server.runtime.keyring.signer(Ring.SIGN_IN, server.team.id)
    assert set(access.public_jwk) == {"kty", "crv", "x", "y", "alg", "use", "kid"}
    assert set(sign_in.public_jwk) == {"kty", "n", "e", "alg", "use", "kid"}
    assert "private" not in repr(access) + repr(sign_in)


NEW_SECRET = "another-secret-of-tests-9876543210zyxwvut"


async def test_a_new_server_secret_keeps_the_keys_once_a_process_with_both_has_started(database_url: str) -> None:
    """`old`, `old,new`, `new,old`, `new`: the last step must not lose what only the first secret could open."""

    async def kid(**given: Any) -> str:
        async with serve(database_url, **given) as server:
            return (await server.runtime.keyring.signer(Ring.SIGN_IN, scope)).kid

    async with serve(database_url) as server:
        scope = server.team.id
    first = await kid()
    with pytest.raises(SealBroken):
        await kid(secret_key=NEW_SECRET)
    try:
        for listed in (f"{SECRET},{NEW_SECRET}", f"{NEW_SECRET},{SECRET}", NEW_SECRET):
            assert await kid(secret_key=listed) == first
    finally:
        assert await kid(secret_key=f"{SECRET},{NEW_SECRET}") == first

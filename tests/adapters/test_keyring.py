"""Signing keys in memory: read once for everyone who waits, and never older than what was just changed."""

from __future__ import annotations

import asyncio
from typing import Any

from gatepass.adapters.keyring import Keyring
from gatepass.core.signing_keys import Ring
from harness import Server


async def test_a_ring_that_many_want_at_once_is_read_once(server: Server) -> None:
    reads = 0

    async def read(work: Any) -> Any:
        nonlocal reads
        reads += 1
        return await server.runtime.read(work)

    ring = Keyring(read, server.runtime.transact, server.clock)
    first = await ring.signer(Ring.ACCESS)
    server.clock.advance(seconds=2)
    reads = 0
    assert {key.kid for key in await asyncio.gather(*(ring.signer(Ring.ACCESS) for _ in range(20)))} == {first.kid}
    assert reads == 1


async def test_what_was_read_while_a_ring_was_forgotten_is_not_remembered(server: Server) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def read(work: Any) -> Any:
        found = await server.runtime.read(work)
        begun.set()
        await may_end.wait()
        return found

    ring = Keyring(read, server.runtime.transact, server.clock)
    await server.runtime.keyring.signer(Ring.ACCESS)  # makes the first one
    before = {key.kid for key in await server.runtime.keyring.keys(Ring.ACCESS)}
    early = asyncio.create_task(ring.keys(Ring.ACCESS))
    await begun.wait()
    added = await server.runtime.keyring.rotate(Ring.ACCESS)
    ring.forget(Ring.ACCESS)
    late = asyncio.create_task(ring.keys(Ring.ACCESS))
    may_end.set()
    assert {key.kid for key in await early} == before
    assert {key.kid for key in await late} == before | {added.kid}
    assert {key.kid for key in await ring.keys(Ring.ACCESS)} == before | {added.kid}

"""Signatures beside the event loop: those that wait are made in one go, and each is its caller's own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from backend import new_backend
from gatepass.adapters import signatures
from gatepass.adapters.signatures import Asked, Signatures
from gatepass.core import jws, sign_in_jwt, sign_in_tokens
from gatepass.core.sign_in_jwt import Issued
from gatepass.core.signing_keys import Ring, SigningKey
from harness import Server


async def issued_by(server: Server, count: int) -> tuple[list[Issued], SigningKey]:
    backend = await new_backend(server)
    runtime, team = server.runtime, backend.team
    records = [
        sign_in_tokens.vouching(runtime.mint, runtime.policy, runtime.clock.now(), team.id, runtime.mint.uuid4(), None)
        for _ in range(count)
    ]
    return [record.issued_by(team) for record in records], await runtime.keyring.signer(Ring.SIGN_IN, team.id)


async def test_tokens_that_wait_are_signed_in_one_go_and_each_caller_gets_its_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued, key = await issued_by(server, 9)
    goes: list[int] = []
    sign_all = signatures._sign_all

    def counting(asked: Sequence[Asked]) -> Any:
        goes.append(len(asked))
        return sign_all(asked)

    monkeypatch.setattr(signatures, "_sign_all", counting)
    signing = Signatures()
    tokens = await asyncio.gather(*(signing.sign(one, key) for one in issued))
    await signing.close()
    assert sum(goes) == 9
    assert len(goes) <= 2
    for token, one in zip(tokens, issued, strict=True):
        assert jws.is_signed_rs256(token, key.public)
        assert jws.unverified_claims(token)["uid"] == str(one.user_id)


async def test_one_that_cannot_be_signed_fails_alone(server: Server) -> None:
    issued, key = await issued_by(server, 3)
    broken = replace(issued[1], claims={**issued[1].claims, "uid": object()})
    signing = Signatures()
    first, failure, last = await asyncio.gather(
        *(signing.sign(one, key) for one in (issued[0], broken, issued[2])), return_exceptions=True
    )
    await signing.close()
    assert isinstance(failure, Exception)
    assert [sign_in_jwt.parse(str(token)).text for token in (first, last)] == [first, last]

"""A receipt proves that a generation arrived; from then on its predecessor is spent for good."""

from __future__ import annotations

from uuid import uuid4

import pytest

from gatepass.adapters import database
from harness import ACCOUNT_QR, USERINFO, Phone, Server, serve
from life import Life, begin, held


async def receipt(life: Life) -> int | None:
    return (await life.row()).receipt_at


def phone(life: Life, grant: object = None) -> Phone:
    """The device that holds the session's access token."""
    token = life.server.runtime.signer.elixir(grant or life.opened).text  # type: ignore[arg-type]
    return Phone(life.server, life.server.development_key, {"token": token})


async def test_the_first_use_of_an_access_token_is_noted_once(server: Server) -> None:
    life = await begin(server)
    first = server.clock.now()
    assert (await phone(life).userinfo()).status_code == 200
    assert await receipt(life) == first
    life.wait(60)
    assert (await phone(life).userinfo()).status_code == 200
    row = await life.row()
    assert (row.receipt_at, row.last_seen_at) == (first, first)


async def test_each_generation_has_a_receipt_of_its_own(server: Server) -> None:
    life = await begin(server)
    await phone(life).userinfo()
    grant = await life.refresh(0)
    assert await receipt(life) is None
    life.wait(60)
    await phone(life, grant).userinfo()
    assert await receipt(life) == server.clock.now()


async def test_the_access_token_of_an_older_generation_proves_nothing(server: Server) -> None:
    life = await begin(server)
    await life.refresh(0)
    assert (await phone(life).userinfo()).status_code == 200
    assert await receipt(life) is None


async def test_a_receipt_survives_the_refusal_of_the_request_that_brought_it(server: Server) -> None:
    life = await begin(server)
    answer = await server.client.get(f"{ACCOUNT_QR}/{uuid4()}", headers=phone(life).bearer)
    assert answer.status_code == 404
    assert await receipt(life) == server.clock.now()


async def test_a_session_that_ended_takes_no_receipt(server: Server) -> None:
    life = await begin(server)
    assert (await phone(life).sign_out()).status_code == 200
    assert await receipt(life) is None


async def test_a_refused_access_token_brings_no_receipt(server: Server) -> None:
    life = await begin(server)
    headers = {**phone(life).bearer, "x-api-key": server.production_key}
    assert (await server.client.get(USERINFO, headers=headers)).status_code == 400
    assert await receipt(life) is None


async def test_a_request_answers_though_its_receipt_cannot_be_written(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT", 0.05)
    async with serve(database_url) as server:
        life = await begin(server)
        async with held(server, life.id):
            assert (await phone(life).userinfo()).status_code == 200
        assert await receipt(life) is None
        assert (await phone(life).userinfo()).status_code == 200
        assert await receipt(life) is not None

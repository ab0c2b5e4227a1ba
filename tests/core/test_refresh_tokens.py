"""Refresh tokens: two spellings of the same bytes, and nothing else is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from gatepass.core import refresh_tokens
from gatepass.core.errors import RefreshTokenMalformed
from gatepass.core.refresh_tokens import MAX_GENERATION, RefreshToken
from gatepass.core.server_secret import ServerSecret
from harness import SECRET, serve
from life import Life, begin

SERVER = ServerSecret(SECRET)
NEWER = "a-newer-secret-for-tests-0123456789abcdefgh"
TOKEN = RefreshToken(UUID("01890f3e-7c11-7c22-9d33-0123456789ab"), 7)


@pytest.mark.parametrize("generation", [0, 7, 2**31, MAX_GENERATION])
def test_either_spelling_reads_as_the_same_token(generation: int) -> None:
    token = RefreshToken(TOKEN.session_id, generation)
    assert refresh_tokens.parse(SERVER, token.hex(SERVER)) == token
    assert refresh_tokens.parse(SERVER, token.jrt(SERVER)) == token


def test_a_token_is_72_hex_digits_or_jrt_and_48_characters() -> None:
    assert len(TOKEN.hex(SERVER)) == 72
    assert TOKEN.hex(SERVER).startswith("01890f3e7c117c229d330123456789ab00000007")
    assert len(TOKEN.jrt(SERVER)) == 52


@pytest.mark.parametrize(
    "presented",
    [
        None,
        7,
        b"01",
        ["x"],
        {},
        "",
        " ",
        "jrt_",
        TOKEN.hex(SERVER).upper(),
        TOKEN.hex(SERVER) + "\n",
        " " + TOKEN.hex(SERVER),
        TOKEN.hex(SERVER)[:-1],
        TOKEN.hex(SERVER) + "0",
        TOKEN.jrt(SERVER) + "=",
        TOKEN.jrt(SERVER)[4:],
        TOKEN.jrt(SERVER).replace("jrt_", "JRT_"),
        "\ud800" * 72,
        "٠" * 72,
        "0" * 72,
        "a" * 1_000_000,
    ],
)
def test_anything_else_is_no_token(presented: object) -> None:
    with pytest.raises(RefreshTokenMalformed):
        refresh_tokens.parse(SERVER, presented)


def test_no_bit_of_a_token_can_be_changed() -> None:
    raw = bytes.fromhex(TOKEN.hex(SERVER))
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RefreshTokenMalformed):
            refresh_tokens.parse(SERVER, changed.hex())


def test_another_servers_token_is_none_of_ours() -> None:
    with pytest.raises(RefreshTokenMalformed):
        refresh_tokens.parse(SERVER, TOKEN.hex(ServerSecret(NEWER)))


@pytest.fixture
async def borrowed_url(database_url: str) -> AsyncIterator[str]:
    """The database that other tests share, given back with its signing keys sealed under the secret that they know."""
    yield database_url
    async with serve(database_url, secret_key=f"{SECRET},{NEWER}"):
        pass


async def test_the_secret_is_rotated_through_three_deployments_and_nobody_is_signed_out(borrowed_url: str) -> None:
    async with serve(borrowed_url, secret_key=SECRET) as server:
        life = await begin(server)
        first, opened = life.token(0), life.opened
    presented = first
    for generation, listed in enumerate([f"{SECRET},{NEWER}", f"{NEWER},{SECRET}", NEWER]):
        async with serve(borrowed_url, secret_key=listed) as server:
            life = Life(server, life.user, opened, life.audience)
            assert refresh_tokens.parse(server.runtime.secret, presented).generation == generation
            granted = await life.refresh(generation)
            presented = life.token(granted.generation)
    with pytest.raises(RefreshTokenMalformed):
        refresh_tokens.parse(ServerSecret(NEWER), first)


async def test_a_replay_across_a_rolling_deployment_gets_the_same_generation(borrowed_url: str) -> None:
    """The retry of a lost answer may reach a host that signs with the other secret."""
    async with serve(borrowed_url, secret_key=f"{SECRET},{NEWER}") as old:
        life = await begin(old)
        granted = await life.refresh(0)
        successor = life.token(1)
    async with serve(borrowed_url, secret_key=f"{NEWER},{SECRET}") as new:
        life = Life(new, life.user, life.opened, life.audience)
        assert (await life.refresh(0)).generation == granted.generation
        assert life.token(1) != successor
        for spelling in (successor, life.token(1)):
            assert refresh_tokens.parse(new.runtime.secret, spelling) == RefreshToken(life.id, 1)

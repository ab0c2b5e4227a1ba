"""What an account may hold, whoever asks for it."""

from __future__ import annotations

import pytest

from gatepass.core import accounts, users
from gatepass.core.errors import InputRefused
from harness import Server

TOO_LONG = [
    ("client_user_id", "x" * 513),
    ("client_user_id", ""),
    ("nickname", "x" * 65),
    ("nickname", ""),
    ("nickname", "a\0"),
    ("picture", "x" * 2049),
    ("roles", ["x" * 65]),
    ("roles", ["x"] * 101),
    ("roles", "GAMER"),
    ("wallets", ["x" * 257]),
    ("wallets", [None]),
]


@pytest.mark.parametrize(("name", "value"), TOO_LONG, ids=lambda value: str(value)[:12])
async def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(
    server: Server, name: str, value: object
) -> None:
    team = server.team.id
    user = await server.runtime.transact(lambda unit: users.create(unit, team, client_user_id="ada"))
    with pytest.raises(InputRefused, match=name):
        await server.runtime.transact(lambda unit: users.change(unit, team, user.id, **{name: value}))
    assert await server.runtime.read(lambda unit: users.get(unit, team, user.id)) == user


def test_the_longest_of_everything_fits() -> None:
    members = {"client_user_id": "x" * 512, "nickname": "x" * 64, "picture": "x" * 2048, "roles": ["x" * 64] * 100}
    accounts.check({**members, "wallets": ("x" * 256,) * 100, "test_user": True})

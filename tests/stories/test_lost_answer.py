"""The commonest complaint about auth servers on phones is a logout after a lost answer. Not here."""

from __future__ import annotations

import pytest

from gatepass.core.refresh_tokens import RefreshToken, parse
from harness import REFRESH, Phone, Server


async def lose_an_answer(phone: Phone) -> None:
    """The server rotates and commits; the phone never hears of it."""
    answer = await phone.server.post(REFRESH, {"refreshToken": phone.refresh_token}, key=phone.key)
    assert answer.status_code == 200


@pytest.mark.parametrize("later", [0, 60, 7 * 86400], ids=["at once", "a minute later", "a week later"])
async def test_a_phone_that_lost_an_answer_asks_again_and_stays_signed_in(server: Server, later: int) -> None:
    phone = await server.sign_in()
    server.clock.advance(seconds=3600)
    await lose_an_answer(phone)
    server.clock.advance(seconds=later)
    assert (await phone.refresh()).status_code == 200
    assert (await phone.userinfo()).status_code == 200
    server.clock.advance(seconds=3600)
    assert (await phone.refresh()).status_code == 200


async def test_a_phone_may_lose_three_answers_in_a_row(server: Server) -> None:
    phone = await server.sign_in()
    for _ in range(3):
        server.clock.advance(seconds=3600)
        await lose_an_answer(phone)
    server.clock.advance(seconds=3600)
    assert (await phone.refresh()).status_code == 200


async def test_the_answer_never_shows_which_row_of_the_table_gave_it(server: Server) -> None:
    """Rotated, again inside the window, recovered, and adopted from a future generation."""
    phone = await server.sign_in()
    token = parse(server.runtime.secret, phone.refresh_token)
    future = RefreshToken(token.session_id, 7).hex(server.runtime.secret)
    rows = []
    for wait, presented in ((0, phone.refresh_token), (1, phone.refresh_token), (60, phone.refresh_token), (0, future)):
        server.clock.advance(seconds=wait)
        answer = await server.post(REFRESH, {"refreshToken": presented})
        assert answer.status_code == 200
        rows.append(answer)
    shapes = [shape(answer.json()) for answer in rows]
    assert shapes == [shapes[0]] * 4
    headers = [{**answer.headers, "content-length": "same"} for answer in rows]
    assert headers == [headers[0]] * 4
    assert len({answer.json()["data"]["token"] for answer in rows}) == 4


def shape(value: object) -> object:
    """Members and types, in order, without the values."""
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    return type(value)

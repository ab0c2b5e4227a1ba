"""Budgets under callers in parallel, through two processes: exact, and none in the way of who is signed in."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx

from harness import LOGIN, REFRESH, USERINFO, VERIFY
from pair import MANY, Pair, outcomes


async def call(pair: Pair, path: str, body: Any, *, at: int = 0, address: str) -> httpx.Response:
    """POST to process number *at* as a client at *address*, told by the proxy in front."""
    headers = {"x-api-key": pair.key, "x-forwarded-for": address}
    return await pair.client.post(pair.processes[at % 2].url + path, json=body, headers=headers)


async def sign_in(pair: Pair, email: str, *, address: str) -> dict[str, Any]:
    asked = (await call(pair, LOGIN, {"email": email}, address=address)).json()["data"]
    body = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
    bundle: dict[str, Any] = (await call(pair, VERIFY, body, address=address)).json()["data"]
    return bundle


async def test_wrong_codes_of_an_address_are_counted_over_all_its_transactions_and_clients(pair: Pair) -> None:
    """Ten transactions have fifty guesses; their address has 25 a day, wherever they come from."""
    asked = [await pair.ask("ada@example.com") for _ in range(10)]
    guesses = [
        {**code, "code": f"{(int(code['code']) + guess) % 10**6:06d}"} for guess in range(1, 6) for code in asked
    ]
    answers = await asyncio.gather(
        *(call(pair, VERIFY, body, at=n, address=f"198.51.100.{n}") for n, body in enumerate(guesses))
    )
    counted = outcomes(list(answers))
    assert counted[1140] == MANY - 25
    assert counted[1000] + counted[1111] == 25


async def test_invalid_refreshes_are_counted_exactly_and_valid_ones_never(pair: Pair) -> None:
    address = "203.0.113.5"
    bundle = await sign_in(pair, "ada@example.com", address=address)
    forged = [{"refreshToken": f"{number:072x}"} for number in range(150)]
    answers: list[httpx.Response] = []
    for start in range(0, 150, MANY):
        wave = forged[start : start + MANY]
        answers += await asyncio.gather(
            *(call(pair, REFRESH, body, at=n, address=address) for n, body in enumerate(wave))
        )
    assert Counter(answer.status_code for answer in answers) == {400: 100, 429: 50}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)

    for number in range(20):
        answer = await call(pair, REFRESH, {"refreshToken": bundle["refreshToken"]}, at=number, address=address)
        assert answer.status_code == 200
        bundle = answer.json()["data"]


async def test_strangers_delay_strangers_only(pair: Pair) -> None:
    """Four hundred calls from two hundred addresses: the owner signs in where it did before, and stays signed in."""
    home, email = "203.0.113.6", "grace@example.com"
    bundle = await sign_in(pair, email, address=home)
    strangers = [f"198.51.100.{number}" for number in range(200)]
    floods: list[httpx.Response] = []
    for _ in range(2):
        for start in range(0, 200, MANY):
            wave = strangers[start : start + MANY]
            floods += await asyncio.gather(
                *(call(pair, LOGIN, {"email": email}, at=n, address=address) for n, address in enumerate(wave))
            )
    assert outcomes(floods) == {200: 9, 1140: 391}, "ten an hour, and one was the owner's first"

    assert (await sign_in(pair, email, address=home))["user"] == bundle["user"]
    refreshed = await call(pair, REFRESH, {"refreshToken": bundle["refreshToken"]}, at=1, address="192.0.2.77")
    token = refreshed.json()["data"]["token"]
    headers = {"x-api-key": pair.key, "authorization": f"Bearer {token}"}
    assert (await pair.client.get(pair.processes[0].url + USERINFO, headers=headers)).status_code == 200
    late = await call(pair, LOGIN, {"email": email}, address="192.0.2.78")
    assert late.status_code == 429
    assert 0 < int(late.headers["retry-after"]) <= 3600, "delayed, not shut out"

"""Signing keys rotated again and again, while somebody verifies with keys that he fetches every five minutes.

A key is published ten minutes before it signs, so ten rotations take an hour and a half. Here server and verifier share
a clock that runs sixty times as fast; processes, databases and HTTP are real, and have to keep up with it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

import fast_forward
import figures
import fleet
from fast_forward import FastClock
from harness import ADMIN_TOKEN
from ledger import Ledger
from phones import JunctionPhone
from processes import running

pytestmark = pytest.mark.live

SPEED = 60
ROTATIONS = 10
MINUTE = 60_000
EVERY = 7 * MINUTE
"""Between two rotations: a key is still waiting when the next one is published."""
CACHED_FOR = 5 * MINUTE
PUBLISHED_BEFORE = 10 * MINUTE
PHONES = 8


class CachingVerifier:
    """A service of somebody else's: PyJWT, and a key set that it fetches every five minutes and never sooner."""

    def __init__(self, http: httpx.AsyncClient, issuer: str, clock: FastClock) -> None:
        self._http, self._issuer, self._clock = http, issuer, clock
        self._keys: dict[str, Any] = {}
        self._fetched_at = -CACHED_FOR
        self.verified: Counter[str] = Counter()
        self.failures: list[str] = []
        self.fetches = 0

    async def verify(self, token: str) -> None:
        """Count *token* under the key that signed it, or write down why not."""
        if self._clock.now() - self._fetched_at >= CACHED_FOR:
            asked_at = self._clock.now()
            found = (await self._http.get("/.well-known/jwks.json")).json()["keys"]
            self._keys = {key["kid"]: jwt.PyJWK.from_dict(key, "ES256").key for key in found}
            self._fetched_at = asked_at
            self.fetches += 1
        kid = jwt.get_unverified_header(token)["kid"]
        try:
            jwt.decode(
                token,
                self._keys[kid],
                algorithms=["ES256"],
                audience="junction-api",
                issuer=self._issuer,
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            self.verified[kid] += 1
        except (KeyError, jwt.PyJWTError) as error:
            self.failures.append(f"{kid}: {type(error).__name__}")


async def refreshing(phone: JunctionPhone, verifier: CachingVerifier, clock: FastClock, chance: random.Random) -> None:
    """Verify each new token, and again and again the old ones, until each expires."""
    kept: list[tuple[str, int]] = []
    while True:
        await phone.refresh()
        expires_at = jwt.decode(phone.access_token, options={"verify_signature": False})["exp"] * 1000
        kept = [(token, expiry) for token, expiry in kept if clock.now() < expiry] + [(phone.access_token, expires_at)]
        await verifier.verify(phone.access_token)
        await verifier.verify(kept[0][0])
        await verifier.verify(chance.choice(kept)[0])
        await asyncio.sleep(0.1)


async def test_ten_rotations_fail_no_verification(
    live_database_url: str, database_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FastClock(time.time_ns() // 1_000_000, SPEED)
    monkeypatch.setenv(fast_forward.ORIGIN, str(clock.origin))
    monkeypatch.setenv(fast_forward.SPEED, str(clock.speed))
    deployment = await fleet.deploy(fleet.settings_for(live_database_url, 1))
    with running(
        2, live_database_url, tmp_path, factory="fast_forward:app", at=Path(__file__).parent, admin_token=ADMIN_TOKEN
    ) as servers:
        clients = [httpx.AsyncClient(base_url=server.url, timeout=30) for server in servers]
        ledger, verifier = Ledger(), CachingVerifier(clients[1], servers[0].url, clock)
        phones = [JunctionPhone(f"phone-{n}", deployment, clients[n % 2], ledger) for n in range(PHONES)]
        await asyncio.gather(*(phone.sign_in() for phone in phones))
        lives = [
            asyncio.create_task(refreshing(phone, verifier, clock, random.Random(n))) for n, phone in enumerate(phones)
        ]
        try:
            for number in range(ROTATIONS):
                published = await clients[number % 2].post(
                    "/admin/v1/signing-keys/rotate",
                    json={"ring": "access"},
                    headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
                )
                assert published.status_code == 201, published.text
                await _until(clock, clock.now() + EVERY)
            await _until(clock, clock.now() + PUBLISHED_BEFORE + CACHED_FOR)
        finally:
            for life in lives:
                life.cancel()
            ends = await asyncio.gather(*lives, return_exceptions=True)
            for client in clients:
                await client.aclose()
    assert {type(end) for end in ends} == {asyncio.CancelledError}, ends
    assert not ledger.violations, ledger.violations[:5]
    assert not verifier.failures, verifier.failures[:5]
    assert len(verifier.verified) == ROTATIONS + 1, "a key never signed"
    figures.publish(
        f"keys-{database_name}",
        f"{ROTATIONS} rotations in {ROTATIONS * EVERY // MINUTE} min of a clock {SPEED} times as fast: "
        f"{verifier.verified.total()} verifications with {len(verifier.verified)} keys and {verifier.fetches} fetches, "
        "0 failed",
    )


async def _until(clock: FastClock, instant: int) -> None:
    await asyncio.sleep((instant - clock.now()) / 1000 / clock.speed)

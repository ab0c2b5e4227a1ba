"""How many RS256 signatures the cores make when they do nothing else: the ceiling of minting."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from report import Visit

SECONDS = 2.0


def sign_for(seconds: float) -> int:
    """Sign with one core; how often."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    end, signed = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        key.sign(b"x" * 600, padding.PKCS1v15(), SHA256())
        signed += 1
    return signed


def visits(mode: str, rounds: int, connections: Iterable[int]) -> Iterator[Visit]:
    """The ceiling as a visit of every round; measured once per round, on all cores."""
    cores = os.cpu_count() or 1
    for number in range(1, rounds + 1):
        with ProcessPoolExecutor(cores) as pool:
            signed = sum(pool.map(sign_for, [SECONDS] * cores))
        for count in connections:
            yield Visit(
                mode=mode,
                contestant="rs256-limit",
                connections=count,
                round=number,
                rate=signed / SECONDS,
                app_us=cores * SECONDS * 1e6 / signed,
                database_us=None,
                resident_before=0,
                resident_after=0,
                notes={},
                answered=signed,
                failed=0,
                seconds=SECONDS,
                p50_ms=None,
                p99_ms=None,
                complaint="",
            )

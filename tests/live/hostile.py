"""A crowd of callers who mean no good, as a process of its own: `python hostile.py PORT`.

Prints one JSON object: of each kind how many there were, how many were answered (by status) or closed, and how long the
longest of them was held.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

OPENING = 4.0
"""Seconds in which all have come."""
PATIENCE = 40.0
"""Seconds after which a caller that is still held gives up, and says so."""
REFRESH = b"POST /sdk/auth/v2/session/refresh HTTP/1.1\r\nHost: here\r\n"
UPLOAD = b"POST /v2/summary/sleep/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\nHost: here\r\n"
MB = 1024 * 1024


@dataclass
class Kind:
    """How callers of one kind fared."""

    count: int
    answers: Counter[str] = field(default_factory=Counter)
    longest: float = 0
    held: int = 0


class Caller:
    """One socket, and how long it was held."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.said = b""
        self.ended = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        try:
            while piece := await self.reader.read(65536):
                self.said = (self.said + piece)[:64]
        except OSError:
            pass

    async def trickle(self, text: bytes) -> None:
        """A byte a second, until hung up on."""
        for byte in text:
            self.writer.write(bytes([byte]))
            done, _ = await asyncio.wait([self.ended], timeout=1)
            if done:
                return

    async def pour(self, piece: bytes, times: int) -> None:
        """As fast as it is taken."""
        try:
            for _ in range(times):
                if self.ended.done():
                    return
                self.writer.write(piece)
                await self.writer.drain()
        except OSError:
            pass


async def slow_head(caller: Caller) -> None:
    await caller.trickle(REFRESH * 4)


async def slow_body(caller: Caller) -> None:
    caller.writer.write(REFRESH + b"Content-Length: 100\r\n\r\n")
    await caller.trickle(b"{" + b" " * 99)


async def idle(caller: Caller) -> None:
    caller.writer.write(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")


async def large_body(caller: Caller) -> None:
    caller.writer.write(REFRESH + b"Content-Length: %d\r\n\r\n" % (50 * MB))
    await caller.pour(b" " * 65536, 50 * MB // 65536)


async def chunked_body(caller: Caller) -> None:
    caller.writer.write(REFRESH + b"Transfer-Encoding: chunked\r\n\r\n")
    await caller.pour(b"10000\r\n" + b" " * 65536 + b"\r\n", 50 * MB // 65536)


async def tiny_chunks(caller: Caller) -> None:
    caller.writer.write(REFRESH + b"Transfer-Encoding: chunked\r\n\r\n")
    await caller.pour(b"1\r\n \r\n" * 10_000, 50 * MB // 60_000)


async def long_header(caller: Caller) -> None:
    caller.writer.write(REFRESH + b"X: ")
    await caller.pour(b"x" * 65536, MB // 65536)
    caller.writer.write(b"\r\n\r\n")


async def many_headers(caller: Caller) -> None:
    caller.writer.write(REFRESH + b"".join(b"X-%d: 1\r\n" % number for number in range(2000)) + b"\r\n")


BOMB = gzip.compress(bytes(10 * MB), 9)


async def gzip_bomb(caller: Caller) -> None:
    for path in (REFRESH, UPLOAD):
        caller.writer.write(path + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB)


async def pipeline(caller: Caller) -> None:
    await caller.pour(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n" * 500, 200)


CROWD: dict[str, tuple[int, Callable[[Caller], Awaitable[None]]]] = {
    "slow heads": (300, slow_head),
    "slow bodies": (300, slow_body),
    "idle keep-alives": (2000, idle),
    "bodies of 50 MB": (10, large_body),
    "chunked bodies of 50 MB": (10, chunked_body),
    "chunks of one byte": (10, tiny_chunks),
    "headers of 1 MB": (50, long_header),
    "2 000 headers": (50, many_headers),
    "gzip bombs": (50, gzip_bomb),
    "pipelines of 100 000 requests": (10, pipeline),
}


async def _call(port: int, name: str, kind: Kind, at: float) -> None:
    await asyncio.sleep(at)
    began = time.monotonic()
    caller = Caller(*await asyncio.open_connection("127.0.0.1", port))
    doing = asyncio.ensure_future(CROWD[name][1](caller))
    await asyncio.wait([caller.ended], timeout=PATIENCE)
    kind.held += not caller.ended.done()
    kind.longest = max(kind.longest, round(time.monotonic() - began, 2))
    kind.answers[caller.said[9:12].decode() or "closed"] += 1
    caller.writer.transport.abort()
    await asyncio.gather(doing, return_exceptions=True)


async def main(port: int) -> dict[str, Any]:
    os.nice(5)  # in the field the callers have processors of their own
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    fared = {name: Kind(count) for name, (count, _) in CROWD.items()}
    calls = [
        _call(port, name, kind, OPENING * number / kind.count)
        for name, kind in fared.items()
        for number in range(kind.count)
    ]
    await asyncio.gather(*calls)
    return {name: vars(kind) for name, kind in fared.items()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1])))))

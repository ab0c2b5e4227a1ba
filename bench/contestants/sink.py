"""A mail server that takes every mail and keeps none, in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop


@contextmanager
def sink(room: Path) -> Iterator[str]:
    """Run the mail server; its URL, once it answers."""
    from machine import Process, free_port  # of the driver, not of the server that this file runs as

    port = free_port()
    process = Process.start([sys.executable, __file__, str(port)], port=port, directory=room / "sink")
    try:
        process.wait_for_port()
        yield f"smtp://127.0.0.1:{port}"
    finally:
        process.stop()


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say yes to everything (RFC 5321)."""
    writer.write(b"220 sink\r\n")
    try:
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            writer.write(b"250-sink\r\n250 PIPELINING\r\n" if verb == b"EHLO" else b"250 fine\r\n")
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    async with await asyncio.start_server(converse, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))

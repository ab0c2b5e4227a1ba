"""How a connection ends by our doing: a server that is told to stop, and in test mode one that breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from gatepass.adapters.http_protocol import BREAK_OFF, BreakableHttpProtocol, HttpProtocol
from http_serving import GET, echo, serving, until_closed


def breaking(share: int) -> Any:
    """An application that breaks off after *share* bytes of ten; none: before the head."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if share:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
            await send({"type": "http.response.body", "body": b"0123456789"[:share], "more_body": True})
        scope["extensions"][BREAK_OFF]()

    return app


@asynccontextmanager
async def stopping() -> AsyncIterator[tuple[int, uvicorn.Server]]:
    """A server in this process that will be told to stop, and must have stopped when the block ends; its port."""
    config = uvicorn.Config(
        echo,
        port=0,
        http=HttpProtocol,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1], server
    async with asyncio.timeout(4):
        await task


async def until_closing(port: int) -> None:
    """Until nobody listens there any more."""
    async with asyncio.timeout(5):
        while True:
            try:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
            except OSError:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("asked_before", [True, False], ids=["idle", "fresh"])
async def test_a_server_that_stops_answers_what_is_on_its_way_and_takes_its_leave(asked_before: bool) -> None:
    async with stopping() as (port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if asked_before:
            writer.write(GET)
            assert b"close" not in await reader.readuntil(b"\r\n\r\n0")
        server.should_exit = True
        await until_closing(port)
        writer.write(GET)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" in answer
        writer.close()


async def test_a_server_that_stops_leaves_who_asks_nothing_more_after_the_idle_time() -> None:
    async with stopping() as (port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n0")
        server.should_exit = True
        assert await until_closed(reader) > 0.5
        writer.close()


async def test_breaking_off_resets_the_connection_without_a_byte() -> None:
    async with serving(breaking(0), BreakableHttpProtocol) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ReadError):
                await client.get(f"http://127.0.0.1:{port}")


async def test_breaking_off_an_answer_lets_its_beginning_arrive() -> None:
    async with serving(breaking(5), BreakableHttpProtocol) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        said = await reader.read()
        assert b"content-length: 10\r\n" in said
        assert said.endswith(b"\r\n\r\n01234")
        writer.close()


async def test_a_broken_connection_leaves_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(breaking(0), BreakableHttpProtocol) as port, httpx.AsyncClient() as client:
        with pytest.raises(httpx.ReadError):
            await client.get(f"http://127.0.0.1:{port}")
    assert [record.message for record in caplog.records if "ASGI" in record.message] == []


async def test_breaking_off_what_the_caller_has_left_is_nothing(caplog: pytest.LogCaptureFixture) -> None:
    broke_off = asyncio.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope["extensions"][BREAK_OFF]()
        broke_off.set()

    async with serving(late, BreakableHttpProtocol) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.wait_for(broke_off.wait(), 5)
    assert [record.message for record in caplog.records if "ASGI" in record.message] == []


async def test_production_offers_no_way_to_break_off() -> None:
    offered: list[Any] = []

    async def looking(scope: Any, receive: Any, send: Any) -> None:
        offered.append(scope.get("extensions"))
        await echo(scope, receive, send)

    async with serving(looking) as port, httpx.AsyncClient() as client:
        await client.get(f"http://127.0.0.1:{port}")
    assert offered == [None]

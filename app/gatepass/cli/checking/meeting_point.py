"""Where a client that connects by itself fetches its steps and leaves its answers, over HTTP.

It listens where the server under test listens and nowhere else, and answers to its own names only, as that does.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from gatepass.cli import running
from gatepass.cli.checking.line import Line
from gatepass.cli.checking.steps import told
from gatepass.cli.loopback import OwnNamesOnly
from gatepass.core.errors import InputRefused
from gatepass.wiring import PayloadTooLarge, read_body

LONG_POLL = 5.0
"""Seconds that a call for the next step waits; HTTP libraries of phones give up after ten."""
LONGEST_BODY = 64 * 1024
"""Bytes."""
_LONGEST_WORD = 64


class MeetingPoint:
    """The calls, for a client that reaches the server under test on *server_port* of the host that it called here."""

    def __init__(self, line: Line, server_port: int) -> None:
        self._line, self._port = line, server_port

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self.page),
                Route("/next", self.next),
                Route("/answer", self.answer, methods=["POST"]),
                Route("/log", self.log, methods=["POST"]),
            ],
            exception_handlers={InputRefused: _refuse, PayloadTooLarge: _refuse},
        )

    async def page(self, _: Request) -> Response:
        """For an app without a hook: a person does what the page says, and tells it what came of it."""
        return HTMLResponse(files("gatepass.cli.checking").joinpath("by_hand.html").read_text())

    async def next(self, request: Request) -> Response:
        """`GET /next?run=WORD&after=NUMBER`: the step to do; 204 where there is none yet: ask again."""
        run, after = request.query_params.get("run", ""), request.query_params.get("after", "0")
        if not run or len(run) > _LONGEST_WORD:
            raise InputRefused("run", "is a word that the app makes up at each start, such as a UUID")
        if not (after.isascii() and after.isdigit() and len(after) < 10):
            raise InputRefused("after", "is the number of a step")
        step = await asyncio.to_thread(self._line.fetch, run, int(after), LONG_POLL)
        if step is None:
            return Response(status_code=204)
        host = request.url.hostname or "127.0.0.1"
        url = f"http://{f'[{host}]' if ':' in host else host}:{self._port}"
        return JSONResponse({**step, "say": told(step), "url": url}, headers={"cache-control": "no-store"})

    async def answer(self, request: Request) -> Response:
        """`POST /answer`: `{"step": 4, "ok": true}`, or with `"ok": false` and an `error`. 409 where that step is over."""
        given = await _members(request)
        if type(number := given.get("step")) is not int or type(given.get("ok")) is not bool:
            raise InputRefused("", 'write it like {"step": 4, "ok": true}')
        if self._line.answer(number, given):
            return Response(status_code=204)
        return JSONResponse({"error": f"step {number} is over; ask for the next one"}, 409)

    async def log(self, request: Request) -> Response:
        """`POST /log`: lines of the app's log, as text. They are searched for tokens and not kept."""
        self._line.log((await read_body(request, LONGEST_BODY)).decode(errors="replace"))
        return Response(status_code=204)


async def _members(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InputRefused("content-type", "is application/json here")  # which no stranger's page can send
    try:
        given = json.loads(await read_body(request, LONGEST_BODY))
    except (ValueError, RecursionError):
        raise InputRefused("", "the body is no JSON") from None
    if not isinstance(given, dict):
        raise InputRefused("", "the body is no JSON object")
    return given


async def _refuse(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 413 if isinstance(error, PayloadTooLarge) else 400)


@contextmanager
def listening(line: Line, server_url: str, port: int) -> Iterator[str]:
    """Serve *line* beside the server at *server_url*, on its address; where. Raises Failure where the port is taken."""
    there = urlsplit(server_url)
    bound = running.listen(there.hostname or "127.0.0.1", port)
    url = running.url(bound)
    app = OwnNamesOnly(MeetingPoint(line, there.port or 80).application(), url)
    server = uvicorn.Server(running.config(app))
    thread = threading.Thread(target=server.run, args=([bound],), name="gatepass-meeting-point")
    thread.start()
    try:
        yield url
    finally:
        line.close()
        server.should_exit = True
        thread.join()
        bound.close()

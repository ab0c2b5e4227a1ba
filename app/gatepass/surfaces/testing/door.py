"""The door of test mode: finds the world that a call is of, once, and lets everything behind it happen there."""

from __future__ import annotations

import re
from email.utils import formatdate
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepass.adapters.worlds import Worlds
from gatepass.core import worlds as core
from gatepass.core.errors import Unavailable
from gatepass.core.schema import SECOND
from gatepass.core.unit import Unit
from gatepass.core.worlds import World
from gatepass.traffic.parties import NOBODY, Clues, Party, identify, read_members
from gatepass.wiring import Runtime

PARTY = "gatepass.party"
"""The member of the scope that says whom the call speaks for."""
MARK = "x-gatepass-test-mode"
_READ = 16 * 1024
"""Bytes. What opens a session, or keeps one, is smaller."""
_TEAM_IN_PATH = re.compile(r"/(?:_test/worlds|admin/v1/teams)/(?P<team_id>[^/]+)")


class Door:
    """Wraps the whole application. Every answer says that this is test mode, and which time it is in the call's world."""

    def __init__(self, app: ASGIApp, runtime: Runtime, worlds: Worlds) -> None:
        self.app = app
        self._runtime, self._worlds = runtime, worlds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["date"] = formatdate(self._worlds.clock.now() / SECOND, usegmt=True)
                headers[MARK] = "1"
            await send(message)

        receive, body = await _peek(scope, receive)
        scope[PARTY], world = await self._find(scope, body)
        with self._worlds.within(world):
            await self.app(scope, receive, dated)

    async def _find(self, scope: Scope, body: bytes) -> tuple[Party, World | None]:
        """Whom the call speaks for, and that world's clock; nobody where the database cannot say."""
        headers = Headers(scope=scope)
        in_path = _TEAM_IN_PATH.match(scope["path"])
        clues = Clues(
            scope["headers"],
            parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True),
            read_members(headers.get("content-type", ""), body),
            in_path.groupdict() if in_path else {},
        )

        async def find(unit: Unit) -> tuple[Party, World | None]:
            party = await identify(unit, clues)
            return party, await core.find(unit, party.world) if party.world is not None else None

        try:
            return await self._runtime.read(find)
        except Unavailable:
            return NOBODY, None


async def _peek(scope: Scope, receive: Receive) -> tuple[Receive, bytes]:
    """The beginning of the body, and how to receive it all the same."""
    announced = Headers(scope=scope).get("content-length", "")
    if scope["method"] in ("GET", "HEAD") or (announced.isdigit() and not 0 < int(announced[:9]) <= _READ):
        return receive, b""
    body, taken = b"", []
    while len(body) <= _READ:
        taken.append(message := await receive())
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    taken.reverse()

    async def again() -> Message:
        return taken.pop() if taken else await receive()

    return again, body

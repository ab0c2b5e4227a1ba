"""The fast lane: a few routes, served all day, without a framework between socket and verb.

The routes themselves are the ordinary ones, documented and reachable as such; the lane only spares them the router, the
dependency solver and four layers of middleware, about a third of a refresh's time (docs/performance.md). Whatever it
does not know passes on to the application, and both spell a refusal the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

Serve = Callable[[Request], Awaitable[Response]]
Spell = Callable[[Request, Exception], Awaitable[Response]]


class _Route:
    """What the access log wants to know of a route."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class FastLane:
    """Serves *lanes*, by method and exact path; hands everything else to *app*, the slash forms too.

    *spell* turns what a lane raises into its answer; a mistake of ours it re-raises once that is sent, for the log.
    """

    def __init__(self, app: ASGIApp, *, lanes: Mapping[tuple[str, str], Serve], spell: Spell) -> None:
        self.app = app
        self._spell = spell
        self._lanes = {(method, path): (serve, _Route(path)) for (method, path), serve in lanes.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lane = None
        if scope["type"] == "http" and not scope["query_string"]:
            lane = self._lanes.get((scope["method"], scope["path"]))
        if lane is None or scope["root_path"]:
            await self.app(scope, receive, send)
            return
        serve, scope["route"] = lane
        request = Request(scope, receive)
        try:
            response = await serve(request)
        except Exception as error:
            response = await self._spell(request, error)
            await response(scope, receive, send)
            if response.status_code == 500:
                raise
            return
        await response(scope, receive, send)

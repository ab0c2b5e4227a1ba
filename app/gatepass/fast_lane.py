"""The fast lane: a few routes, served all day, without a framework between socket and verb.

The routes themselves are the ordinary ones, documented and reachable as such; the lane only spares them the router, the
dependency solver and the layers of middleware. Whatever it does not know passes on to the framework, and both spell a
refusal the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from gatepass.core.ids import find_id

ID = "{user_id}"
"""Stands in the path of a lane for every id."""
Serve = Callable[[Request], Awaitable[Response]]
Spell = Callable[[Request, Exception], Awaitable[Response]]


class _Route:
    """What the access log wants to know of a route."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


Lane = tuple[Serve, _Route]


class FastLaneApp(FastAPI):
    """A FastAPI application that serves *lanes*, by method and path, ahead of everything else.

    *spell* turns what a lane raises into its answer; a mistake of ours is raised again once that is sent, for the log.
    """

    def __init__(self, *, lanes: Mapping[tuple[str, str], Serve], spell: Spell, **given: Any) -> None:
        super().__init__(**given)
        self._lanes = {lane: (serve, _Route(lane[1])) for lane, serve in lanes.items()}
        self._lanes_by_id: list[tuple[str, str, str, Lane]] = [
            (method, path.partition(ID)[0], path.partition(ID)[2], lane)
            for (method, path), lane in self._lanes.items()
            if ID in path
        ]
        self._spell = spell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. A query string or a mount point is for the framework to understand."""
        if scope["type"] != "http" or scope["query_string"] or scope["root_path"]:
            return await super().__call__(scope, receive, send)
        lane = self._lanes.get((scope["method"], scope["path"])) or self._lane_by_id(scope)
        if lane is None:
            return await super().__call__(scope, receive, send)
        serve, scope["route"] = lane
        scope["app"] = self
        request = Request(scope, receive)
        try:
            response = await serve(request)
        except Exception as error:
            response = await self._spell(request, error)
            await response(scope, receive, send)
            if response.status_code == 500:
                raise
            return None
        return await response(scope, receive, send)

    def _lane_by_id(self, scope: Scope) -> Lane | None:
        """The lane of a path with an id in it. Any other spelling of one is for the framework to understand."""
        path = scope["path"]
        for method, before, after, lane in self._lanes_by_id:
            if method == scope["method"] and path.startswith(before) and path.endswith(after):
                presented = path[len(before) : len(path) - len(after)]
                if find_id(presented) is not None:
                    scope["path_params"] = {"user_id": presented}
                    return lane
        return None

"""Who may use the admin API, and how a body is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request, Response

from gatepass.surfaces.admin import wire
from gatepass.wiring import InRuntime, read_body, require_admin

B = TypeVar("B", bound=wire.Body)


async def authorised(request: Request, response: Response, runtime: InRuntime) -> None:
    """Let only the bearer of `GATEPASS_ADMIN_TOKEN` on, before anything else is looked at; answers are never stored.

    Raises Forbidden where the deployment has set no token, AccessTokenInvalid.
    """
    response.headers["cache-control"] = "no-store"
    require_admin(request, runtime)


def body_of(model: type[B]) -> Callable[[Request], Awaitable[B]]:
    """A dependency that reads the request's body as *model*. It raises PayloadTooLarge, InputRefused."""

    async def read(request: Request) -> B:
        return wire.parse(model, await read_body(request, wire.BODY_LIMIT))

    return read

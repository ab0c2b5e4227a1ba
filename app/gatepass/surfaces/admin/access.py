"""Who may use the admin API, and how a body is read."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request, Response

from gatepass.core.errors import AccessTokenInvalid, Forbidden
from gatepass.surfaces.admin import wire
from gatepass.wiring import InRuntime, read_body

B = TypeVar("B", bound=wire.Body)


async def authorised(request: Request, response: Response, runtime: InRuntime) -> None:
    """Let only the bearer of `GATEPASS_ADMIN_TOKEN` on, before anything else is looked at; answers are never stored.

    Raises Forbidden where the deployment has set no token, AccessTokenInvalid.
    """
    response.headers["cache-control"] = "no-store"
    token = runtime.settings.admin_token
    if token is None or not token.get_secret_value():
        raise Forbidden("the admin API is off")
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    expected = token.get_secret_value().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(presented.strip().encode("latin-1"), expected):
        raise AccessTokenInvalid("not the admin token")


def body_of(model: type[B]) -> Callable[[Request], Awaitable[B]]:
    """A dependency that reads the request's body as *model*. It raises PayloadTooLarge, InputRefused."""

    async def read(request: Request) -> B:
        return wire.parse(model, await read_body(request, wire.BODY_LIMIT))

    return read

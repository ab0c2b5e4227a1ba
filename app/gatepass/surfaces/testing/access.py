"""Who may use the control plane."""

from __future__ import annotations

from fastapi import Request, Response

from gatepass.wiring import InRuntime, require_admin


async def authorised(request: Request, response: Response, runtime: InRuntime) -> None:
    """Let only the bearer of the admin token on, before anything else is looked at; answers are never stored.

    Raises Forbidden where there is no such token, AccessTokenInvalid.
    """
    response.headers["cache-control"] = "no-store"
    require_admin(request, runtime)

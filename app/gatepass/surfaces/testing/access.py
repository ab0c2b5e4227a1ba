"""Who may use the control plane."""

from __future__ import annotations

import hmac

from fastapi import Request, Response

from gatepass.core.errors import AccessTokenInvalid, Forbidden
from gatepass.wiring import InRuntime


async def authorised(request: Request, response: Response, runtime: InRuntime) -> None:
    """Let only the bearer of the admin token on, before anything else is looked at; answers are never stored.

    Raises Forbidden where there is no such token, AccessTokenInvalid.
    """
    response.headers["cache-control"] = "no-store"
    token = runtime.settings.admin_token
    if token is None or not token.get_secret_value():
        raise Forbidden("GATEPASS_ADMIN_TOKEN is not set")
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    expected = token.get_secret_value().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(presented.strip().encode("latin-1"), expected):
        raise AccessTokenInvalid("not the admin token")

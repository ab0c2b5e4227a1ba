"""The Elixir dialect: e-mail codes, QR sign-in, desktop keys (`docs/contracts/elixir.md`)."""

from gatepass.surfaces.elixir.documentation import SECURITY_SCHEMES
from gatepass.surfaces.elixir.refusals import spell
from gatepass.surfaces.elixir.router import router, serve_code, serve_code_request, serve_refresh, serve_userinfo

__all__ = [
    "SECURITY_SCHEMES",
    "router",
    "serve_code",
    "serve_code_request",
    "serve_refresh",
    "serve_userinfo",
    "spell",
]

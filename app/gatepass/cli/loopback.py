"""A development server answers to its own names only.

It shows codes and hands out keys, so a web page must not reach it through a name that it points at 127.0.0.1 (DNS
rebinding). The Android emulators' names for the host's loopback are its own names too. In a container, its neighbours
call it by names and addresses that it cannot know; none of them is one that a stranger's page could have.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from gatepass.cli.nearby import is_near
from gatepass.core.errors import NotFound
from gatepass.main import SURFACES

log = structlog.get_logger("gatepass.dev")

EMULATORS = frozenset({"10.0.2.2", "10.0.3.2"})
"""What Android's emulator and Genymotion call the host's 127.0.0.1."""


class OwnNamesOnly:
    """Refuses requests for hosts other than the loopback's and those of *urls*, in the words of the surface they were
    meant for. With *neighbours* every name that only means something nearby is its own.
    """

    def __init__(self, app: ASGIApp, *urls: str, neighbours: bool = False) -> None:
        self.app = app
        self._own = EMULATORS | {urlsplit(url).hostname or "" for url in urls}
        self._neighbours = neighbours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_own(_host(scope)):
            log.warning("host_refused", host=_host(scope)[:100], next="use 127.0.0.1, or set GATEPASS_PUBLIC_URL")
            spell = next(spell for prefix, spell in SURFACES if f"{scope['path']}/".startswith(prefix))
            await spell(NotFound("host"))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_own(self, host: str) -> bool:
        if host in self._own or host == "localhost" or host.endswith(".localhost"):
            return True
        if self._neighbours:
            return is_near(host)
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False


def _host(scope: Scope) -> str:
    """The host that the request names, without its port."""
    named = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    try:
        return urlsplit(f"//{named}").hostname or ""
    except ValueError:
        return ""

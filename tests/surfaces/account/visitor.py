"""A person with a browser, as far as HTTP goes: cookies, pages, forms with their tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

import httpx

from gatepass.core import teams
from harness import Server

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
)


@dataclass
class Visitor:
    """One browser at the account pages of *server*'s team."""

    server: Server
    client: httpx.AsyncClient
    page: httpx.Response = field(default_factory=lambda: httpx.Response(204))

    @property
    def home(self) -> str:
        return f"/account/{self.server.team.id}"

    async def open(self, path: str, **more: object) -> httpx.Response:
        """Follow a link."""
        self.page = await self.client.get(path, follow_redirects=True, **more)  # type: ignore[arg-type]
        return self.page

    async def send(self, path: str, *, follow: bool = True, **fields: str) -> httpx.Response:
        """Send the form that the page shown now holds, with its token."""
        data = {"csrf": self.token, **fields}
        self.page = await self.client.post(path, data=data, follow_redirects=follow)
        return self.page

    @property
    def token(self) -> str:
        """The token in the forms of the page shown now."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.page.text)
        return unescape(found[1]) if found else ""

    async def ask(self, email: str = "ada@example.com") -> str:
        """Ask for a code by the form; the code in the newest mail, or nothing where none was delivered."""
        await self.open(self.home)
        await self.send(self.home, email=email)
        mails = [mail for mail in await self.server.deliver() if mail.to.lower() == email.lower() and mail.code]
        return (max(mails, key=lambda mail: mail.id).code or "") if mails else ""

    async def sign_in(self, email: str = "ada@example.com") -> httpx.Response:
        """By the code in the mail; the page it leads to."""
        code = await self.ask(email)
        return await self.send(f"{self.home}/code", code=code)


def visitor(server: Server, *, user_agent: str = FIREFOX, address: str = "192.0.2.1") -> Visitor:
    """A fresh browser."""
    transport = httpx.ASGITransport(server.app, raise_app_exceptions=False, client=(address, 4711))
    headers = {"user-agent": user_agent, "accept-language": "en"}
    return Visitor(server, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers))


async def set_team(server: Server, **changes: object) -> None:
    """Change the team of *server*."""
    server.team = await server.runtime.transact(lambda unit: teams.change(unit, server.team.id, **changes))
    server.runtime.forget()

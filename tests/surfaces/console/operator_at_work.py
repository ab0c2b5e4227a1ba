"""An operator's browser, as far as tests of the console without a browser need one."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx

from gatepass.core import operators
from gatepass.core.operators import Link
from gatepass.core.unit import Unit
from harness import Server

WORDS = "correct horse battery"
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


class Visitor:
    """A browser with a cookie jar of its own. *token* is that of the last page with a form."""

    def __init__(self, server: Server, *, base_url: str = "http://127.0.0.1:8000", address: str = "192.0.2.7") -> None:
        transport = httpx.ASGITransport(server.app, raise_app_exceptions=False, client=(address, 4711))
        self.client = httpx.AsyncClient(transport=transport, base_url=base_url)
        self.token = ""

    async def get(self, path: str, **headers: str) -> httpx.Response:
        answer = await self.client.get(path, headers=headers)
        self._keep(answer)
        return answer

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        """Send a form with this visitor's token, unless *fields* bring another."""
        answer = await self.client.post(path, data={"csrf": self.token, **fields}, headers=headers)
        self._keep(answer)
        return answer

    def _keep(self, answer: httpx.Response) -> None:
        if found := _TOKEN.search(answer.text):
            self.token = unescape(found[1])

    @property
    def cookie(self) -> str:
        """The value of the one cookie that knows this browser again."""
        (value,) = [cookie.value for cookie in self.client.cookies.jar if "said" not in cookie.name]
        return value or ""

    async def sign_in(self, name: str, password: str = WORDS) -> httpx.Response:
        await self.get("/console/sign-in")
        answer = await self.post("/console/sign-in", name=name, password=password)
        if answer.status_code == 303:
            await self.get("/console/me")
        return answer

    async def is_in(self) -> bool:
        return (await self.client.get("/console/teams")).status_code == 200


async def invite(server: Server, name: str) -> Link:
    """A one-time link for a new operator."""
    _, link = await server.runtime.transact(lambda unit: operators.create(unit, name))
    return link


async def link_for(server: Server, name: str) -> Link:
    async def work(unit: Unit) -> Link:
        return await operators.link_for(unit, (await operators.get_by_name(unit, name)).id)

    return await server.runtime.transact(work)


async def use(visitor: Visitor, link: Link, password: str = WORDS, **fields: Any) -> httpx.Response:
    """Open the link and choose a password."""
    await visitor.get(link.path)
    return await visitor.post(link.path, password=password, password_again=password, **fields)


async def at_work(server: Server, name: str, **given: Any) -> Visitor:
    """A new operator, signed in by the link, with a token at hand."""
    visitor = Visitor(server, **given)
    answer = await use(visitor, await invite(server, name))
    assert answer.status_code == 303, answer.text
    await visitor.get("/console/me")
    return visitor

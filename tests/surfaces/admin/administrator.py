"""Calls to the admin API, each checked for the shape that all its answers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from harness import Server


@dataclass
class Admin:
    """Calls to /admin/v1 with the admin token."""

    server: Server

    async def call(self, method: str, path: str, body: Any = None, *, expect: int = 200, **more: Any) -> Any:
        """The answer's JSON, its status being *expect*. Every refusal must be a problem of the one shape."""
        answer = await self.send(method, path, body, **more)
        assert answer.status_code == expect, answer.text
        assert answer.headers["cache-control"] == "no-store"
        if expect >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert problem["status"] == expect
            assert problem.keys() - {"field"} == {"status", "title", "detail"}
        return answer.json()

    async def send(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        if body is not None:
            more["json"] = body
        return await self.server.client.request(method, f"/admin/v1{path}", headers=self.server.admin, **more)

    @property
    def team(self) -> str:
        """The path of the server's team."""
        return f"/teams/{self.server.team.id}"

    async def user(self, email: str = "ada@example.com", **more: Any) -> Any:
        return await self.call("POST", f"{self.team}/users", {"email": email, **more}, expect=201)

    async def other_team(self) -> str:
        """The path of another team."""
        other, _, _ = await self.server.new_team("Other")
        return f"/teams/{other.id}"

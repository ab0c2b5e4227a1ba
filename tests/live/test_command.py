"""The installed command, started as a process: sign in by mail, refresh, restart, refresh again, sign out."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

import commands
from harness import LOGIN, REFRESH, SECRET, SIGN_OUT, USERINFO, VERIFY
from post_office import PostOffice
from postgres import Cluster, free_port


@dataclass
class Caller:
    """A phone on a real network: an API key, and the tokens it holds."""

    key: str
    tokens: dict[str, Any]

    async def call(self, url: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"x-api-key": self.key}
        if self.tokens:
            headers["authorization"] = f"Bearer {self.tokens['token']}"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
            return await (client.get(path) if body is None else client.post(path, json=body))

    async def get(self, url: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.call(url, path, body)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def verify(self, url: str, transaction_id: str, code: str) -> None:
        self.tokens = await self.get(url, VERIFY, {"transactionId": transaction_id, "code": code})

    async def refresh(self, url: str) -> None:
        before = self.tokens["refreshToken"]
        self.tokens = await self.get(url, REFRESH, {"refreshToken": before})
        assert self.tokens["refreshToken"] != before
        assert (await self.get(url, USERINFO))["sub"] == self.tokens["user"]["_id"]

    async def sign_out(self, url: str) -> None:
        await self.get(url, SIGN_OUT, {})
        refused = await self.call(url, REFRESH, {"refreshToken": self.tokens["refreshToken"]})
        assert refused.json()["error"] == {"status": 400, "code": "INVALID_REFRESH_TOKEN"}


async def test_a_phone_outlives_restarts_of_the_development_server(tmp_path: Path) -> None:
    with commands.dev(tmp_path) as server:
        phone = Caller(server.facts["publishable_key"], {})
        asked = await phone.get(server.url, LOGIN, {"email": "ada@example.com"})
        await phone.verify(server.url, asked["transactionId"], asked["userCode"])
        await phone.refresh(server.url)
        assert server.stop(signal.SIGTERM) == 0
    with commands.dev(tmp_path) as server:
        assert server.facts["publishable_key"] == phone.key
        await phone.refresh(server.url)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    with commands.dev(tmp_path) as server:
        await phone.refresh(server.url)
        await phone.sign_out(server.url)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'served.db'}"
    postgres: Cluster = request.getfixturevalue("postgres")
    return postgres.create_database("served")


async def test_a_phone_signs_in_with_the_mail_that_really_came(empty_database_url: str, tmp_path: Path) -> None:
    office, port = PostOffice(), free_port()
    await office.open()
    settings = {
        "secret_key": SECRET,
        "database_url": empty_database_url,
        "smtp_url": office.url,
        "mail_from": "Acme <no-reply@acme.example>",
        "public_url": f"http://127.0.0.1:{port}",
    }

    def gatepass(*words: str) -> Any:
        done = commands.run(*words, "--json", cwd=tmp_path, **settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def set_up() -> str:
        gatepass("migrate", "up")
        team = gatepass("teams", "create", "--name", "Acme", "--environment", "production")["team_id"]
        made = gatepass("keys", "create", "--team", team, "--kind", "publishable", "--environment", "production")
        key: str = made["key"]
        return key

    phone = Caller(await anyio.to_thread.run_sync(set_up), {})
    try:
        with commands.serve(tmp_path, port, "--workers", "2", **settings) as server:
            asked = await phone.get(server.url, LOGIN, {"email": "ada@example.com"})
            assert asked.keys() == {"transactionId"}
            with anyio.fail_after(60):
                while not office.mails:
                    await anyio.sleep(0.05)
            (mail,) = office.mails
            assert mail["to"] == "ada@example.com"
            await phone.verify(server.url, asked["transactionId"], mail["subject"].split()[0])
            await phone.refresh(server.url)
            assert await anyio.to_thread.run_sync(server.stop) == 0
            said = server.log + server.out.read_text()
        with commands.serve(tmp_path, port, **settings) as server:
            answer = await phone.call(server.url, USERINFO)
            assert "server" not in answer.headers
            assert "date" in answer.headers
            await phone.refresh(server.url)
            await phone.sign_out(server.url)
            said += server.log + server.out.read_text()
            assert await anyio.to_thread.run_sync(server.stop) == 0
    finally:
        await office.close()
    for secret in (SECRET, phone.key, phone.tokens["token"], phone.tokens["refreshToken"], "ada@example.com"):
        assert secret not in said
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert any(line["event"] == "request" and line["status"] == 200 for line in lines)

"""Faults against the installed command: what a socket and a client see of them, and what was committed all the same."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import commands
from harness import LOGIN, REFRESH, SIGN_OUT, USERINFO, VERIFY


@dataclass
class App:
    """One user's app in a world of its own on a server in another process."""

    server: commands.Running
    team_id: str
    key: str
    bundle: dict[str, Any]

    @classmethod
    def signed_in(cls, server: commands.Running) -> App:
        made = httpx.post(f"{server.url}/_test/worlds", json={}, headers=admin(server)).json()
        app = cls(server, made["team_id"], made["publishable_key"], {})
        asked = app.post(LOGIN, {"email": "ada@example.com"}).json()["data"]
        answer = app.post(VERIFY, {"transactionId": asked["transactionId"], "code": asked["userCode"]})
        app.bundle = answer.json()["data"]
        return app

    def post(self, path: str, body: Any, *, patience: float = 10) -> httpx.Response:
        bearer = {"authorization": f"Bearer {self.bundle['token']}"} if self.bundle else {}
        headers = {"x-api-key": self.key, **bearer}
        return httpx.post(self.server.url + path, json=body, headers=headers, timeout=patience)

    def refresh(self, *, patience: float = 10) -> httpx.Response:
        return self.post(REFRESH, {"refreshToken": self.bundle["refreshToken"]}, patience=patience)

    def works(self) -> bool:
        headers = {"x-api-key": self.key, "authorization": f"Bearer {self.bundle['token']}"}
        return httpx.get(self.server.url + USERINFO, headers=headers).status_code == 200

    def order(self, path: str, **do: Any) -> None:
        """Let *do* happen to the next call to *path*."""
        url = f"{self.server.url}/_test/worlds/{self.team_id}/faults"
        answer = httpx.put(url, json=[{"match": {"path": path}, "do": do}], headers=admin(self.server))
        assert answer.status_code == 200, answer.text

    def on_a_socket(self, path: str, body: bytes) -> tuple[bytes, bool]:
        """What comes back to a bare socket, and whether the connection was reset in the end."""
        parts = urlsplit(self.server.url)
        lines = (f"POST {path} HTTP/1.1", f"Host: {parts.netloc}", f"x-api-key: {self.key}")
        head = "\r\n".join((*lines, f"Content-Length: {len(body)}", "", ""))
        received = b""
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as plain:
            plain.sendall(head.encode() + body)
            try:
                while chunk := plain.recv(65536):
                    received += chunk
            except ConnectionResetError:
                return received, True
        return received, False


def admin(server: commands.Running) -> dict[str, str]:
    return {"authorization": f"Bearer {server.facts['admin_token']}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[commands.Running]:
    with commands.dev(tmp_path_factory.mktemp("dev"), "--memory") as running:
        yield running


def test_the_answer_is_lost_and_the_old_refresh_token_recovers(server: commands.Running) -> None:
    app = App.signed_in(server)
    app.order(REFRESH, kind="commit_then_drop")
    with pytest.raises(httpx.ReadError):
        app.refresh()
    first = app.refresh().json()["data"]
    assert first["refreshToken"] != app.bundle["refreshToken"]
    assert app.refresh().json()["data"]["refreshToken"] == first["refreshToken"], "the lost answer had rotated"
    app.bundle = first
    assert app.works()
    assert app.refresh().status_code == 200


def test_a_socket_sees_a_reset_and_not_one_byte(server: commands.Running) -> None:
    app = App.signed_in(server)
    app.order(LOGIN, kind="commit_then_drop")
    assert app.on_a_socket(LOGIN, b'{"email":"ada@example.com"}') == (b"", True)


def test_a_truncated_answer_announces_more_than_arrives(server: commands.Running) -> None:
    app = App.signed_in(server)
    app.order(LOGIN, kind="truncate")
    received, _ = app.on_a_socket(LOGIN, b'{"email":"ada@example.com"}')
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    (announced,) = [int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"content-length: ")]
    assert len(body) == announced // 2
    assert body.startswith(b'{"code":1,"success":true')
    app.order(REFRESH, kind="truncate")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        app.refresh()
    app.bundle = app.refresh().json()["data"]
    assert app.works()


def test_an_answer_that_never_comes_was_committed(server: commands.Running) -> None:
    app = App.signed_in(server)
    app.order(SIGN_OUT, kind="hang")
    with pytest.raises(httpx.ReadTimeout):
        app.post(SIGN_OUT, {}, patience=0.3)
    assert not app.works()


def test_a_hang_ends_when_it_was_told_to(server: commands.Running) -> None:
    app = App.signed_in(server)
    app.order(LOGIN, kind="hang", delay_ms=300)
    began = time.monotonic()
    assert app.on_a_socket(LOGIN, b'{"email":"ada@example.com"}') == (b"", True)
    assert 0.29 < time.monotonic() - began < 5


def test_an_answer_that_is_late_arrives_for_whoever_waits(server: commands.Running) -> None:
    app = App.signed_in(server)
    app.order(REFRESH, kind="delay", delay_ms=500)
    with pytest.raises(httpx.ReadTimeout):
        app.refresh(patience=0.2)
    app.order(REFRESH, kind="delay", delay_ms=200)
    assert app.refresh(patience=5).status_code == 200


def test_every_other_kind_is_an_ordinary_answer(server: commands.Running) -> None:
    app = App.signed_in(server)
    app.order(REFRESH, kind="commit_then_503", retry_after=2)
    answer = app.refresh()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    app.order(REFRESH, kind="status", status=429, retry_after=9)
    answer = app.refresh()
    assert (answer.status_code, answer.headers["retry-after"], answer.headers["x-gatepass-test-mode"]) == (
        429,
        "9",
        "1",
    )
    app.order(REFRESH, kind="duplicate")
    assert app.refresh().status_code == 200


def test_a_connection_goes_on_after_another_one_broke(server: commands.Running) -> None:
    app = App.signed_in(server)
    headers = {"x-api-key": app.key, "authorization": f"Bearer {app.bundle['token']}"}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        assert client.get(USERINFO).status_code == 200
        app.order(USERINFO, kind="commit_then_drop")
        with pytest.raises(httpx.ReadError):
            client.get(USERINFO)
        assert client.get(USERINFO).status_code == 200


def test_faults_are_no_errors_of_the_server(server: commands.Running) -> None:
    app = App.signed_in(server)
    for kind in ("commit_then_drop", "truncate"):
        app.order(LOGIN, kind=kind)
        app.on_a_socket(LOGIN, b'{"email":"ada@example.com"}')
    assert "error" not in server.log
    assert "Traceback" not in server.log


def test_a_server_stops_at_once_while_a_call_hangs(tmp_path: Any) -> None:
    with commands.dev(tmp_path, "--memory") as server:
        app = App.signed_in(server)
        app.order(REFRESH, kind="hang")
        with pytest.raises(httpx.ReadTimeout):
            app.refresh(patience=0.2)
        app.order(LOGIN, kind="hang")
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port)) as plain:
            head = f"POST {LOGIN} HTTP/1.1\r\nHost: {parts.netloc}\r\nx-api-key: {app.key}\r\nContent-Length: 2\r\n\r\n{{}}"
            plain.sendall(head.encode())
            wait = f"{server.url}/_test/worlds/{app.team_id}/requests/wait"
            assert httpx.get(wait, params={"path": LOGIN, "count": 2}, headers=admin(server)).status_code == 200
            began = time.monotonic()
            assert server.stop() == 0
        assert time.monotonic() - began < 5

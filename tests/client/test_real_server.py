"""The blocking clients against a server process, over real sockets, and two processes of an app on one keychain."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gatepass.adapters import migrations
from gatepass.adapters.database import Database
from gatepass.client import (
    BearerAuth,
    ElixirClient,
    FileStore,
    JunctionClient,
    OfflineVerifier,
    Reauthenticate,
    Rejected,
    SignedOut,
    Status,
    TemporarilyUnavailable,
)
from harness import ADMIN_TOKEN
from processes import running

PATIENCE = 60


@dataclass
class Team:
    """A team on a running server, as its own backend and its administrator see it."""

    url: str
    id: str
    secret: str
    publishable: str

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the admin API, below the team."""
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = httpx.request(method, f"{self.url}/admin/v1/teams/{self.id}{path}", headers=headers, json=body)
        answer.raise_for_status()
        return answer.json()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the Junction dialect with the team's key."""
        answer = httpx.request(method, f"{self.url}/v2/user{path}", headers={"x-vital-api-key": self.secret}, json=body)
        answer.raise_for_status()
        return answer.json()

    def user(self, name: str) -> str:
        user_id: str = self.call("POST", "", {"client_user_id": name})["user_id"]
        return user_id

    def sign_in_token(self, user_id: str) -> str:
        token: str = self.call("POST", f"/{user_id}/sign_in_token")["sign_in_token"]
        return token

    def authenticate(self, external_user_id: str) -> str:
        """What the app asks its backend for."""
        return self.sign_in_token(self.call("GET", f"/resolve/{external_user_id}")["user_id"])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server process; its access tokens live 40 seconds, so that they are stale 10 seconds after they were made."""
    directory = tmp_path_factory.mktemp("server")
    database_url = f"sqlite:///{directory / 'gatepass.db'}"

    async def migrate() -> None:
        database = Database(database_url)
        await migrations.up(database)
        await database.dispose()

    asyncio.run(migrate())
    with running(1, database_url, directory, admin_token=ADMIN_TOKEN, junction_access_ttl=40) as (process,):
        yield process.url


@pytest.fixture
def team(url: str) -> Team:
    headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}

    def post(path: str, body: Any) -> Any:
        return httpx.post(f"{url}/admin/v1/teams{path}", headers=headers, json=body).raise_for_status().json()

    team_id = post("", {"name": "Acme"})["id"]
    secret = post(f"/{team_id}/keys", {"kind": "secret"})["key"]
    publishable = post(f"/{team_id}/keys", {"kind": "publishable", "environment": "development"})["key"]
    return Team(url, team_id, secret, publishable)


def reads_itself(client: JunctionClient) -> bool:
    return client.get(f"/v2/user/{client.user_id}").status_code == 200


def test_the_life_of_a_junction_phone(team: Team, tmp_path: Path) -> None:
    user_id = team.user("ada")
    store = FileStore(tmp_path / "keychain.json")
    with JunctionClient(team.url, store=store) as client:
        assert client.identify("ada", team.authenticate) == user_id
        assert reads_itself(client)
    stored = store.load()
    with JunctionClient(team.url, store=store, now=lambda: time.time() + 3600) as client:
        assert client.identify("ada", lambda _: pytest.fail("the session outlived the launch")) == user_id
        assert client.access_token() != stored["access_token"]
        assert store.load()["refresh_token"] != stored["refresh_token"]
        assert reads_itself(client)
        team.admin("DELETE", f"/users/{user_id}/sessions")
        with pytest.raises(Reauthenticate):
            client.get(f"/v2/user/{user_id}")
        assert Status.PENDING_REAUTHENTICATION in client.status
        assert client.identify("ada", team.authenticate) == user_id
        team.admin("DELETE", f"/users/{user_id}")
        with pytest.raises(SignedOut):
            client.get(f"/v2/user/{user_id}")
        assert client.status == Status.NOTHING


def test_an_app_migrates_from_its_key(team: Team) -> None:
    user_id = team.user("ada")
    with JunctionClient(team.url) as client:
        client.configure(team.secret, environment="sandbox", region="eu")
        client.set_user_id(user_id.upper())
        assert reads_itself(client)
        assert client.sign_in(team.sign_in_token(user_id)) == user_id
        assert reads_itself(client)
        client.sign_out()
    (session,) = team.admin("GET", f"/users/{user_id}/sessions")["sessions"]
    assert session["end_cause"] == "signed_out"


def test_the_life_of_an_elixir_phone(team: Team, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "keychain.json")
    with ElixirClient(team.url, key=team.publishable, store=store) as client:
        headers = {"x-api-key": team.publishable}
        asked = httpx.post(
            f"{team.url}/sdk/auth/v2/signin/otp-login", headers=headers, json={"email": "ada@example.com"}
        ).json()["data"]
        assert client.verify_code(asked["transactionId"], asked["userCode"], device_model="Pixel 9") is True
        assert client.userinfo()["email"] == "ada@example.com"
        with ElixirClient(team.url, key=team.publishable) as second:
            second.scan(client.show_qr()["qrValue"])
            assert second.userinfo()["sub"] == client.userinfo()["sub"]
    stored = store.load()
    with ElixirClient(team.url, key=team.publishable, store=store, now=lambda: time.time() + 7200) as client:
        assert client.access_token() != stored["access_token"]
        assert client.request("GET", "/sdk/v2/userinfo", headers={"x-trace": "1"}).status_code == 200
        client.sign_out()
        assert not client.is_signed_in


def test_threads_share_one_flight_and_any_httpx_user_gets_refresh_for_free(team: Team) -> None:
    ahead = 0.0
    user_id = team.user("ada")
    with JunctionClient(team.url, now=lambda: time.time() + ahead) as client:
        client.sign_in(team.sign_in_token(user_id))
        with httpx.Client(base_url=team.url, auth=BearerAuth(client)) as plain:
            assert plain.get(f"/v2/user/{user_id}").json()["user_id"] == user_id
        before = client._session.store.load()
        ahead = 15.0
        with ThreadPoolExecutor(8) as pool:
            tokens = set(pool.map(lambda _: client.access_token(), range(8)))
    assert tokens != {before["access_token"]}
    (session,) = team.admin("GET", f"/users/{user_id}/sessions")["sessions"]
    assert session["state"] == "open"
    assert session["generation"] == len(tokens) == 1


def test_two_processes_of_an_app_refresh_on_one_keychain_and_stay_signed_in(team: Team, tmp_path: Path) -> None:
    user_id = team.user("ada")
    keychain = tmp_path / "keychain.json"
    with JunctionClient(team.url, store=FileStore(keychain)) as client:
        client.sign_in(team.sign_in_token(user_id))
    script = """
import sys
from gatepass.client import FileStore, JunctionClient
url, keychain, user_id = sys.argv[1:]
with JunctionClient(url, store=FileStore(keychain)) as client:
    sys.stdin.read()
    for _ in range(20):
        client.access_token(stale=client.access_token())
        assert client.get(f"/v2/user/{user_id}").status_code == 200
"""
    words = [sys.executable, "-c", script, team.url, str(keychain), user_id]
    twins = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        for _ in range(2)
    ]
    for twin in twins:
        assert twin.stdin is not None
        twin.stdin.close()
        twin.stdin = None
    assert [twin.communicate(timeout=PATIENCE)[1] for twin in twins] == ["", ""]
    (session,) = team.admin("GET", f"/users/{user_id}/sessions")["sessions"]
    assert session["state"] == "open"
    assert session["generation"] >= 20
    with JunctionClient(team.url, store=FileStore(keychain)) as client:
        assert reads_itself(client)


def test_a_dead_session_is_refused_by_a_service_that_verifies_offline(team: Team) -> None:
    user_id = team.user("ada")
    with JunctionClient(team.url) as client, OfflineVerifier(team.url, feed_age=0.5) as verifier:
        client.sign_in(team.sign_in_token(user_id))
        token = client.access_token()
        assert verifier.verify(token)["sub"] == user_id
        client.sign_out()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                verifier.verify(token)
            except Rejected:
                break
            time.sleep(0.1)
        with pytest.raises(Rejected, match="ended"):
            verifier.verify(token)


@pytest.fixture
def silence() -> Iterator[str]:
    """A server that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def test_a_silent_server_is_given_up_in_time_and_nothing_is_lost(
    silence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatepass.client.driving.ATTEMPT_TIMEOUT", 0.6)
    monkeypatch.setattr("gatepass.client.session.ATTEMPTS", 1)
    store = FileStore(tmp_path / "keychain.json")
    state = {"mode": "token", "user_id": "u", "access_token": "a", "refresh_token": "r", "expires_at": 0}
    store.save(state)
    began = time.monotonic()
    with JunctionClient(silence, store=store) as client, pytest.raises(TemporarilyUnavailable):
        client.access_token()
    assert time.monotonic() - began < 5
    assert json.loads((tmp_path / "keychain.json").read_text()) == state

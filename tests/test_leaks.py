"""The watch for leaks itself, and a real `gatepass serve` whose every route is called with real secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog

import commands
from backend import EXCHANGE
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.server_secret import ServerSecret
from gatepass.main import create_app
from harness import ADMIN_TOKEN, NO_LIMITS, SECRET, USERINFO, Server, settings
from leaks import WATCH, Watch
from postgres import free_port

ID = "3f0e2d7c-4f4b-4c43-8f29-2f6d0a4bb0b1"


@pytest.fixture
def watch() -> Watch:
    """A watch of this test's own, so that what it finds is not a leak."""
    watch = Watch()
    watch.secrets = WATCH.secrets
    return watch


@pytest.mark.parametrize("spelling", [RefreshToken.hex, RefreshToken.jrt])
def test_a_secret_that_was_minted_is_found_inside_other_text(watch: Watch, tmp_path: Path, spelling: Any) -> None:
    secret = spelling(RefreshToken(UUID(ID), 1), ServerSecret(SECRET))
    log = tmp_path / "server.log"
    log.write_text(f"all is well\nfound x{secret}y\nx{secret[-24:]}\n{secret[:12]} is no secret yet\n")
    watch.read(log)
    assert [leak.rpartition(": ")[2] for leak in watch.leaks()] == [f"found x{secret}y", f"x{secret[-24:]}"]
    assert watch.leaks() == []


async def test_what_the_server_answered_is_searched_for_in_what_is_logged(
    sqlite_server: Server, capsys: pytest.CaptureFixture[str], watch: Watch, tmp_path: Path
) -> None:
    """The log scrubs what looks like a secret; without that, the token would be found."""
    phone = await sqlite_server.sign_in()
    structlog.get_logger().info(f"signed in with {phone.bundle['token']}")
    said = capsys.readouterr().err
    log = tmp_path / "server.log"
    log.write_text(said)
    watch.read(log)
    assert watch.leaks() == []
    log.write_text(f"signed in with {phone.bundle['token']}")
    watch.read(log)
    assert len(watch.leaks()) == 1


@pytest.fixture
def served(tmp_path: Path) -> Iterator[commands.Running]:
    given = {**NO_LIMITS, "secret_key": SECRET, "admin_token": ADMIN_TOKEN, "smtp_url": "smtp://127.0.0.1:9"}
    given |= {"database_url": f"sqlite:///{tmp_path / 'gatepass.db'}", "expose_user_code": "true"}
    told = {name: str(value) for name, value in given.items()}
    assert commands.run("migrate", "up", cwd=tmp_path, **told).returncode == 0
    with commands.serve(tmp_path, free_port(), **told) as running:
        yield running


def test_no_route_of_a_served_gatepass_gives_a_secret_away(served: commands.Running, tmp_path: Path) -> None:
    """Each route with every credential there is, in its headers, its query, its path and its body."""
    held = secrets_of(served.url)
    app = create_app(settings(f"sqlite:///{tmp_path / 'gatepass.db'}"))
    routes = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    assert len(routes) > 50
    codes = re.compile(rf"(?<![0-9A-Za-z.]){held.pop('code')}(?![0-9A-Za-z])")
    values = list(held.values())
    told: list[str] = []
    with httpx.Client(base_url=served.url, timeout=30) as client:
        for number, (method, path) in enumerate(routes):
            value = values[number % len(values)]
            for target in (re.sub(r"\{[^}]*\}", ID, path), re.sub(r"\{[^}]*\}", value.replace("/", "_"), path)):
                for headers in credentials(held, value):
                    answer = client.request(method, target, params={"key": value}, json=held, headers=headers)
                    told.append("\n".join(f"{name}: {header}" for name, header in answer.headers.items()))
                    told.append(answer.text if answer.status_code >= 400 else "")
                    form = client.request(method, target, data={**held, "token": value})
                    told.append(form.text if form.status_code >= 400 else "")
    served.stop()
    told += [served.log, served.out.read_text()]
    assert len(served.log.splitlines()) > 4 * len(routes)
    for text in told:
        assert not [name for name, value in held.items() if value in text or value.rpartition(".")[2] in text], text
        assert not codes.search(text), text


def credentials(held: dict[str, str], value: str) -> list[dict[str, str]]:
    """Headers with the right credential of each kind, and with *value* where it does not belong."""
    return [
        {"x-vital-api-key": held["secret_key"], "x-management-key": value},
        {"x-api-key": held["publishable_key"], "authorization": f"Bearer {held['elixir_access_token']}"},
        {"authorization": f"Bearer {held['access_token']}", "dpop": value},
        {"authorization": f"Bearer {ADMIN_TOKEN}", "x-api-key": value},
        {"x-api-key": value, "authorization": f"Bearer {value}", "dpop": held["access_token"]},
    ]


def secrets_of(url: str) -> dict[str, str]:
    """One secret of each kind, from the server itself."""
    with httpx.Client(base_url=url, timeout=30) as client:

        def post(path: str, body: Any = None, **headers: str) -> Any:
            return client.post(path, json=body, headers=headers).raise_for_status().json()

        admin = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        team = f"/admin/v1/teams/{post('/admin/v1/teams', {'name': 'Acme'}, **admin)['id']}"
        secret = post(f"{team}/keys", {"kind": "secret"}, **admin)["key"]
        publishable = post(f"{team}/keys", {"kind": "publishable", "environment": "development"}, **admin)["key"]
        app = {"x-api-key": publishable}
        asked = post("/sdk/auth/v2/signin/otp-login", {"email": "ada@example.com"}, **app)["data"]
        code = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
        phone = post("/sdk/auth/v2/signin/otp-verify", code, **app)["data"]
        assert client.get(USERINFO, headers={**app, "authorization": f"Bearer {phone['token']}"}).status_code == 200
        user = post("/v2/user", {"client_user_id": "member-1"}, **{"x-vital-api-key": secret})["user_id"]
        issued = post(f"/v2/user/{user}/sign_in_token", {}, **{"x-vital-api-key": secret})["sign_in_token"]
        tokens = client.post("/v1/token", data={**EXCHANGE, "subject_token": issued}).raise_for_status().json()
    return {
        "code": asked["userCode"],
        "secret_key": secret,
        "publishable_key": publishable,
        "elixir_access_token": phone["token"],
        "refreshToken": phone["refreshToken"],
        "sign_in_token": issued,
        "access_token": tokens["access_token"],
        "refresh_token": tokens["refresh_token"],
        "admin_token": ADMIN_TOKEN,
    }

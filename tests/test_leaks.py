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
from gatepass.adapters import passwords
from gatepass.adapters.clock import SystemClock
from gatepass.core import audit, dpop
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.server_secret import ServerSecret
from gatepass.main import create_app
from harness import ADMIN_TOKEN, NO_LIMITS, SECRET, USERINFO, Server, settings
from leaks import WATCH, Watch
from postgres import free_port
from proofs import Prover

ID = "3f0e2d7c-4f4b-4c43-8f29-2f6d0a4bb0b1"


@pytest.fixture
def watch() -> Watch:
    """A watch of this test's own, so that what it finds is not a leak."""
    return Watch(WATCH.secrets, WATCH.words)


def found(watch: Watch, *lines: str) -> list[str]:
    """Those of *lines* that give something away."""
    watch.said.extend(("a line", line) for line in lines)
    return [leak.partition(" away: ")[2] for leak in watch.leaks()]


@pytest.mark.parametrize("spelling", [RefreshToken.hex, RefreshToken.jrt])
def test_a_secret_that_was_minted_is_found_inside_other_text(watch: Watch, spelling: Any) -> None:
    secret = spelling(RefreshToken(UUID(ID), 1), ServerSecret(SECRET))
    leaks = [f"found x{secret}y", f"x{secret[-24:]}"]
    assert found(watch, "all is well", *leaks, f"{secret[:12]} is no secret yet") == leaks
    assert watch.leaks() == []


async def test_what_the_server_answered_is_searched_for_in_what_is_logged(
    sqlite_server: Server, capsys: pytest.CaptureFixture[str], watch: Watch
) -> None:
    """The log scrubs what looks like a secret; without that, the token would be found."""
    phone = await sqlite_server.sign_in()
    structlog.get_logger().info(f"signed in with {phone.bundle['token']}")
    assert found(watch, capsys.readouterr().err) == []
    assert len(found(watch, f"signed in with {phone.bundle['token']}")) == 1


@pytest.mark.parametrize("key", ["development", "production"])
async def test_a_code_is_known_whether_or_not_its_caller_may_see_it(
    sqlite_server: Server, watch: Watch, key: str
) -> None:
    await sqlite_server.ask_for_code("ada@example.com", key=getattr(sqlite_server, f"{key}_key"))
    (mail,) = await sqlite_server.deliver()
    assert mail.code is not None
    assert len(found(watch, f"550 no such user, in reply to {mail.text!r}")) == 1


async def test_a_code_is_found_as_a_word_and_only_while_its_test_lives(watch: Watch) -> None:
    leaks = ['{"code":"402619"}', "wrong: 402619.", "code=402619", "x-code: 402619", "(402619)", "402619"]
    others = [
        "1402619", "x402619", "0.402619", "2026-11-26T17:24:10.402619Z", "402619e2-4f4b-4c43-8f29-402619000000",
        "http://127.0.0.1:402619/readyz", "content-length: 402619", "Started server process [402619]",
    ]  # fmt: skip
    watch.word("402619")
    assert found(watch, *leaks, *others) == leaks
    assert found(watch, *leaks) == []


async def test_a_password_is_found_wherever_it_stands(watch: Watch) -> None:
    await passwords.hash_password("correct horse battery")
    leaks = ["wrong password 'correct horse battery!'"]
    assert found(watch, *leaks, "a horse") == leaks


async def test_only_the_console_of_test_mode_may_show_a_code_and_only_once(watch: Watch) -> None:
    shown = ['{"event":"code 402619 for ada@example.com (Acme)","logger":"gatepass.inbox"}']
    shown += ["12:41:33 info    gatepass.inbox: code 402619 for ada@example.com (Acme)"]
    leaks = [shown[0].replace("gatepass.inbox", "gatepass.mail"), shown[1].replace("Acme", "402619")]
    watch.word("402619")
    assert found(watch, *shown, *leaks) == leaks


async def test_a_proof_of_possession_is_known_once_it_was_shown(sqlite_server: Server, watch: Watch) -> None:
    prover, url = Prover(sqlite_server.clock), "http://gatepass.test/x"
    shown, kept = prover.prove("GET", url), prover.prove("GET", url)
    await sqlite_server.runtime.transact(lambda unit: dpop.prove(unit, dpop.Request(shown, "GET", url)))
    assert found(watch, f"a proof: {shown}", f"not yet: {kept}") == [f"a proof: {shown}"]
    await sqlite_server.client.get(USERINFO, headers={"dpop": kept})
    assert found(watch, f"by now: {kept}") == [f"by now: {kept}"]


async def test_audit_events_and_metrics_are_searched(
    sqlite_server: Server, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.word("402619")
    watch.listen(monkeypatch)
    try:
        await sqlite_server.runtime.transact(
            lambda unit: audit.record(unit, audit.Event.OTP_LOCKED, detail={"guess": "402619"})
        )
        answer = httpx.MockTransport(lambda _: httpx.Response(200, text='codes_total{code="402619"} 1'))
        with httpx.Client(transport=answer) as client:
            client.get("http://gatepass.test/metrics")
    finally:
        monkeypatch.undo()
        leaks = watch.leaks()
        WATCH.said.clear()
    assert [leak.partition(" gives ")[0] for leak in leaks] == [
        "an audit event",
        "the body of the answer 200 to GET /metrics",
    ]


def test_the_log_of_a_process_is_searched_for_what_was_known_in_its_life_and_for_what_looks_secret(
    watch: Watch, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    foreign = f"sent by who knows whom: jrt_{'x' * 48}"
    log.write_text(f"all is well\nthe code is 402619\n{foreign}\nof another time: 555555\n")
    watch.word("555555")
    with watch.reading(log):
        watch.word("402619")
        assert watch.leaks() == []  # a test ends
    assert [leak.rpartition(" away: ")[2] for leak in watch.leaks()] == ["the code is 402619", foreign]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[commands.Running]:
    given = {**NO_LIMITS, "secret_key": SECRET, "admin_token": ADMIN_TOKEN, "smtp_url": "smtp://127.0.0.1:9"}
    port = free_port()
    given |= {"database_url": f"sqlite:///{tmp_path / 'gatepass.db'}", "expose_user_code": "true"}
    given |= {"public_url": f"http://127.0.0.1:{port}"}
    told = {name: str(value) for name, value in given.items()}
    assert commands.run("migrate", "up", cwd=tmp_path, **told).returncode == 0
    with commands.serve(tmp_path, port, **told) as running:
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
        {"authorization": f"DPoP {held['bound_access_token']}", "dpop": held["proof"]},
        {"authorization": f"DPoP {held['bound_access_token']}", "dpop": held["spent_proof"]},
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
        again = post(f"/v2/user/{user}/sign_in_token", {}, **{"x-vital-api-key": secret})["sign_in_token"]
        prover = Prover(SystemClock())
        proof = {"dpop": prover.prove("POST", f"{url}/oauth/token")}
        exchange = {**EXCHANGE, "subject_token": again}
        bound = client.post("/oauth/token", data=exchange, headers=proof).raise_for_status().json()
    return {
        "code": asked["userCode"],
        "secret_key": secret,
        "publishable_key": publishable,
        "elixir_access_token": phone["token"],
        "refreshToken": phone["refreshToken"],
        "sign_in_token": issued,
        "access_token": tokens["access_token"],
        "refresh_token": tokens["refresh_token"],
        "bound_access_token": bound["access_token"],
        "bound_refresh_token": bound["refresh_token"],
        "spent_proof": proof["dpop"],
        "proof": prover.prove("GET", f"{url}/userinfo", access_token=bound["access_token"]),
        "admin_token": ADMIN_TOKEN,
    }

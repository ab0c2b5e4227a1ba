"""`gatepass dev`: the installed command, as a process."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

import commands
from harness import LOGIN

FACTS = {
    "url",
    "pid",
    "team_id",
    "secret_key",
    "publishable_key",
    "production_publishable_key",
    "admin_token",
    "test_mode",
}


def test_it_is_ready_with_nothing_configured_and_the_printed_curl_works(tmp_path: Path, record_property: Any) -> None:
    began = time.monotonic()
    with commands.dev(tmp_path) as server:
        record_property("seconds until ready", round(time.monotonic() - began, 2))
        assert server.facts.keys() == FACTS
        assert server.facts["pid"] == server.process.pid
        commands.until(lambda: "Ctrl-C" in server.out.read_text(), server)
        welcome = server.out.read_text()
        for name in FACTS - {"pid", "test_mode"}:
            assert server.facts[name] in welcome
        curl = next(line for line in welcome.splitlines() if "curl" in line and "otp-login" in line)
        answer = json.loads(subprocess.run(shlex.split(curl), capture_output=True, check=True, timeout=30).stdout)
        assert answer["data"].keys() == {"transactionId", "userCode"}
        commands.until(lambda: f"code {answer['data']['userCode']} for ada@example.com" in server.log, server)
    assert stat.S_IMODE((tmp_path / ".gatepass").stat().st_mode) == 0o700
    kept = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / ".gatepass").iterdir()}
    assert kept["secrets.json"] == kept["gatepass.db"] == 0o600
    assert [name for name in kept if name.startswith(".secrets")] == []


def test_keys_stay_between_starts_until_a_fresh_one(tmp_path: Path) -> None:
    def facts(*arguments: str) -> dict[str, Any]:
        with commands.dev(tmp_path, *arguments) as server:
            found = {name: server.facts[name] for name in FACTS - {"url", "pid"}}
            for key in ("publishable_key", "production_publishable_key"):
                headers = {"x-api-key": server.facts[key]}
                asked = httpx.post(server.url + LOGIN, json={"email": "ada@example.com"}, headers=headers)
                assert asked.status_code == 200
            assert server.stop() == 0
        return found

    first = facts()
    assert facts() == first
    assert facts("--fresh").items().isdisjoint(item for item in first.items() if item[0] != "test_mode")


def test_json_starts_with_the_facts_and_logs_go_elsewhere(tmp_path: Path) -> None:
    with commands.dev(tmp_path, "--json") as server:
        commands.until(lambda: server.out.read_text().endswith("\n"), server)
        httpx.get(f"{server.url}/livez")
        commands.until(lambda: "route=/livez" in server.log, server)
        assert json.loads(server.out.read_text()) == server.facts


def test_memory_leaves_nothing_behind(tmp_path: Path) -> None:
    with commands.dev(tmp_path, "--memory") as server:
        (opened,) = {
            str(Path(f"/proc/{server.process.pid}/fd/{number.name}").readlink())
            for number in Path(f"/proc/{server.process.pid}/fd").iterdir()
            if str(number.readlink()).endswith("gatepass.db")
        }
        home = Path(opened).parent
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert server.stop(signal.SIGINT) == 0
    assert not home.exists()
    assert not (tmp_path / ".gatepass").exists()


def test_a_taken_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = commands.run("dev", "--port", str(port), cwd=tmp_path)
    assert said.returncode == 1
    assert f"port {port}" in said.stderr
    assert "--port" in said.stderr.splitlines()[1]


def test_two_servers_do_not_share_one_directory(tmp_path: Path) -> None:
    with commands.dev(tmp_path):
        second = commands.run("dev", "--port", "0", "--fresh", cwd=tmp_path)
    assert second.returncode == 1
    assert "another gatepass dev works on .gatepass" in second.stderr


def test_it_answers_to_its_own_names_only(tmp_path: Path) -> None:
    with commands.dev(tmp_path, "--memory", public_url="https://tunnel.example") as server:
        port = server.facts["url"].rpartition(":")[2]

        def ask(host: str) -> httpx.Response:
            return httpx.post(server.url + LOGIN, headers={"host": host, "x-api-key": server.facts["publishable_key"]})

        for own in (
            f"127.0.0.1:{port}",
            "localhost",
            "app.localhost:1",
            "[::1]:8000",
            "10.0.2.2:8000",
            "tunnel.example",
        ):
            assert ask(own).json()["error"]["code"] == 1100, own
        for foreign in ("evil.example", f"evil.example:{port}", "192.168.0.7", "[::2]", "[", ""):
            assert ask(foreign).json()["error"]["code"] == 1150, foreign
        assert httpx.get(f"{server.url}/livez", headers={"host": "evil.example"}).status_code == 404
        assert "host_refused" in server.log


def test_the_environments_limits_hold_where_it_sets_them(tmp_path: Path) -> None:
    with commands.dev(tmp_path, "--memory", code_cooldown="60") as server:
        headers = {"x-api-key": server.facts["publishable_key"]}
        statuses = [
            httpx.post(server.url + LOGIN, json={"email": "ada@example.com"}, headers=headers).status_code for _ in "12"
        ]
    assert statuses == [200, 429]


def test_commands_work_on_the_running_servers_data(tmp_path: Path) -> None:
    with commands.dev(tmp_path) as server:
        made = commands.run("users", "create", "--email", "ada@example.com", "--json", cwd=tmp_path)
        assert made.returncode == 0, made.stderr
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        listed = commands.run("users", "list", "--data-dir", str(tmp_path / ".gatepass"), "--json", cwd=elsewhere)
        assert json.loads(listed.stdout)["total"] == 1
        teams = json.loads(commands.run("teams", "list", "--json", cwd=tmp_path).stdout)
        assert teams == [{"team_id": server.facts["team_id"], "name": "Dev", "region": "eu", "environment": "local"}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--memory", "--data-dir", "here"), "give one of the two"),
        (("--port", "65536"), "65535"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    answer = commands.run("dev", *words, cwd=tmp_path)
    assert answer.returncode == 2
    assert said in answer.stderr


def test_damaged_secrets_are_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / ".gatepass").mkdir()
    (tmp_path / ".gatepass" / "secrets.json").write_text('{"admin_token":')
    answer = commands.run("dev", "--port", "0", cwd=tmp_path)
    assert answer.returncode == 1
    assert "--fresh" in answer.stderr


def test_a_suite_that_pauses_finds_its_connection_open(tmp_path: Path) -> None:
    """Longer than production keeps an idle one: six seconds on a busy machine are nothing out of the ordinary."""
    with (
        commands.dev(tmp_path, "--memory") as server,
        socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0)) as held,
    ):
        held.sendall(b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        said = b""
        while b'{"status":"live"}' not in said:
            said += held.recv(65536)
        held.settimeout(6)
        with pytest.raises(TimeoutError):  # a closed one would have said so
            held.recv(1)

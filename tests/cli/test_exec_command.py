"""`gatepass exec`, `env` and `inbox`: the installed command, as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

import commands
from gatepass.cli.facts import VARIABLES
from harness import LOGIN

SIGNS_IN = """
import json, os, sys, urllib.request
url, key = os.environ["GATEPASS_URL"], os.environ["GATEPASS_PUBLISHABLE_KEY"]
headers = {"x-api-key": key, "content-type": "application/json"}
asked = urllib.request.Request(url + sys.argv[1], b'{"email":"ada@example.com"}', headers)
assert json.load(urllib.request.urlopen(asked))["data"]["transactionId"]
print(json.dumps({name: value for name, value in os.environ.items() if name.startswith("GATEPASS_")}))
sys.exit(23)
"""
WAITS = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


def test_exec_gives_the_command_a_server_that_ends_with_it(tmp_path: Path) -> None:
    done = commands.run("exec", "--", sys.executable, "-c", SIGNS_IN, LOGIN, cwd=tmp_path)
    assert done.returncode == 23, done.stderr
    told = json.loads(done.stdout)
    assert told.keys() == VARIABLES.keys()
    try:
        httpx.get(f"{told['GATEPASS_URL']}/livez")
    except httpx.ConnectError:
        return
    raise AssertionError("the server outlived the command")


def test_exec_passes_signals_on_and_exits_as_the_command_decides(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    command = [commands.GATEPASS, "exec", "--", sys.executable, "-c", WAITS, str(begun)]
    running = subprocess.Popen(command, cwd=tmp_path, env=commands.environment({}))
    deadline = time.monotonic() + commands.PATIENCE
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    assert running.wait(commands.PATIENCE) == 9


def test_exec_names_a_command_that_is_not_there_before_it_starts_anything(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    missing = commands.run("exec", "--", "gatepass-no-such-command", cwd=tmp_path)
    unusable = commands.run("exec", "--", "./notes.txt", cwd=tmp_path)
    assert (missing.returncode, unusable.returncode) == (127, 126)
    assert "gatepass-no-such-command" in missing.stderr
    assert "chmod +x ./notes.txt" in unusable.stderr


def test_env_and_inbox_speak_of_the_server_that_runs(tmp_path: Path) -> None:
    before = commands.run("env", cwd=tmp_path)
    assert before.returncode == 1
    assert "no gatepass dev works on .gatepass" in before.stderr
    with commands.dev(tmp_path) as server:
        wanted = {name: server.facts[fact] for name, fact in VARIABLES.items()}
        assert json.loads(commands.run("env", "-o", "json", cwd=tmp_path).stdout) == wanted
        dotenv = commands.run("env", "-o", "dotenv", cwd=tmp_path).stdout.splitlines()
        assert dict(line.split("=", 1) for line in dotenv) == wanted
        shell = f'eval "$({commands.GATEPASS} env -o shell)" && printf %s "$GATEPASS_TEAM_API_KEY"'
        evaluated = subprocess.run(["sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert evaluated.stdout == wanted["GATEPASS_TEAM_API_KEY"]

        def ask(email: str) -> str:
            headers = {"x-api-key": server.facts["publishable_key"]}
            code = httpx.post(server.url + LOGIN, json={"email": email}, headers=headers).json()["data"]["userCode"]
            return str(code)

        first = ask("ada@example.com")
        follow = subprocess.Popen(
            [commands.GATEPASS, "inbox", "--follow", "--to", "ada@example.com", "--json"],
            cwd=tmp_path,
            env=commands.environment({}),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert follow.stdout is not None
        assert json.loads(follow.stdout.readline())["code"] == first
        ask("bob@example.com")
        second = ask("ada@example.com")
        assert json.loads(follow.stdout.readline())["code"] == second
        follow.send_signal(signal.SIGINT)
        assert follow.wait(commands.PATIENCE) == 0
        follow.stdout.close()
        listed = json.loads(commands.run("inbox", "--json", cwd=tmp_path).stdout)
        assert sorted(one["to"] for one in listed) == ["ada@example.com"] * 2 + ["bob@example.com"]
    after = commands.run("inbox", cwd=tmp_path)
    assert after.returncode == 1

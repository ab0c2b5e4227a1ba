"""The pytest plugin, as other people's projects have it: in a pytest process of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import commands

EXAMPLE = Path(__file__).parents[2] / "examples" / "mobile-client-tests"
HEAVY = "fastapi", "starlette", "sqlalchemy", "pydantic", "uvicorn", "httpx", "jwt", "typer"

TWO_WORLDS = """
import datetime
import pytest
from gatepass.testing import NothingArrived, Problem

ADA = "ada@example.com"
SEEN = []

@pytest.mark.parametrize("round", [1, 2])
def test_no_world_knows_of_another(gatepass, gatepass_server, round):
    assert gatepass.url == gatepass_server.url
    assert gatepass.team_id not in SEEN
    SEEN.append(gatepass.team_id)
    gatepass.mint_user(ADA)  # a second one in the same world would be refused
    with pytest.raises(Problem):
        gatepass.mint_user(ADA)
    gatepass.clock.set("2031-05-01T12:00:00Z")
    at = gatepass.clock.advance(hours=1)
    assert at == datetime.datetime(2031, 5, 1, 13, tzinfo=datetime.timezone.utc) == gatepass.clock.now

def test_what_was_waited_for_in_vain_says_what_came_instead(gatepass):
    import httpx
    key = {"x-api-key": gatepass.publishable_key}
    httpx.post(gatepass.url + "/sdk/auth/v2/signin/otp-login", json={"email": "bob@example.com"}, headers=key)
    gatepass.inbox.wait(to="bob@example.com")
    with pytest.raises(NothingArrived, match="(?s)no mail to ada@example.com in 0.1 s.*to bob@example.com"):
        gatepass.inbox.wait(to=ADA, timeout=0.1)
    assert [one.path for one in gatepass.requests.wait(1)] == ["/sdk/auth/v2/signin/otp-login"]

def test_faults_add_up_and_are_spent_one_by_one(gatepass):
    import httpx
    ask = lambda: httpx.get(gatepass.url + "/sdk/v2/userinfo", headers={"x-api-key": gatepass.publishable_key})
    usual = ask().status_code
    gatepass.faults.answer(429, "/sdk/v2/userinfo", retry_after=7)
    gatepass.faults.answer(503, times=2)
    answers = [ask() for _ in range(4)]
    assert [one.status_code for one in answers] == [429, 503, 503, usual]
    assert answers[0].headers["retry-after"] == "7"
    gatepass.faults.answer(503, times=0)
    gatepass.faults.clear()
    assert ask().status_code == usual

def test_what_the_operator_does(gatepass):
    user = gatepass.mint_user(ADA)
    before = gatepass.snapshot()
    gatepass.delete(ADA)
    with pytest.raises(LookupError):
        gatepass.ban(ADA)
    gatepass.undelete(ADA)
    gatepass.ban(user["user_id"], "Chargeback")
    gatepass.unban(ADA)
    gatepass.restore(before)
    assert gatepass.mint_session(user_id=user["user_id"])["access_token"]

@pytest.mark.gatepass(seed="the plugin's own")
def test_a_seed_makes_the_world_repeat_itself(gatepass):
    pathlib = __import__("pathlib")
    kept = pathlib.Path("seeded")
    kept.exists() or kept.write_text(gatepass.team_id)
    assert kept.read_text() == gatepass.team_id
"""


def pytest_of(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in a project of someone else's; ours is installed there, and no more."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=directory,
        env=commands.environment({}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_world_for_each_test_on_a_server_of_our_own_and_on_one_that_runs(tmp_path: Path) -> None:
    (tmp_path / "test_worlds.py").write_text(TWO_WORLDS)
    own = pytest_of(tmp_path, "-W", "error")
    assert own.returncode == 0, own.stdout
    with commands.dev(tmp_path, "--memory") as server:
        where = ("--gatepass-url", server.url, "--gatepass-admin-token", server.facts["admin_token"])
        borrowed = pytest_of(tmp_path, *where)
        assert borrowed.returncode == 0, borrowed.stdout
        assert "method=DELETE route=/_test/worlds/{team_id}" in server.log
    assert "6 passed" in borrowed.stdout
    half = pytest_of(tmp_path, "--gatepass-url", "http://127.0.0.1:9")
    assert half.returncode == 4
    assert "go together" in half.stderr


def test_the_plugin_loads_nothing_heavy_until_a_fixture_is_used(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("NAME = 'a package of the user'\n")
    (tmp_path / "test_light.py").write_text(
        f"""
import sys

def test_light(request):
    import app
    assert app.NAME == "a package of the user"
    assert request.config.pluginmanager.hasplugin("gatepass")
    assert [name for name in {HEAVY!r} if name in sys.modules] == []
"""
    )
    done = pytest_of(tmp_path, "-p", "no:anyio", "-p", "no:hypothesispytest", "-p", "no:schemathesis")
    assert done.returncode == 0, done.stdout
    loaded = "import sys, pytest; had = set(sys.modules); import gatepass.pytest_plugin; print(*set(sys.modules) - had)"
    said = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert set(said.stdout.split()) == {"gatepass", "gatepass.pytest_plugin"}


def test_the_example_passes_in_parallel(tmp_path: Path) -> None:
    """A client project outside of ours: copied away, so that nothing of this repository is found beside it."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    done = pytest_of(project, "-n", "2", "--basetemp", str(tmp_path / "theirs"))
    assert done.returncode == 0, done.stdout
    assert "14 passed" in done.stdout

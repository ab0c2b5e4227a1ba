"""`gatepass check-client --connect`: a client that nobody starts fetches its steps, and is judged like any other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import commands
from gatepass.cli import nearby
from gatepass.cli.checking.client import Unanswered
from gatepass.cli.checking.line import Connected, Line
from gatepass.cli.checking.scenarios import SCENARIOS
from gatepass.cli.output import Failure
from harness import LOGIN

EXAMPLE = Path(__file__).parents[2] / "examples" / "check-client" / "connecting_client.py"
JWT = f"eyJhbGciOiJIUzI1NiJ9.{'e' * 20}.{'x' * 20}"


@dataclass
class Check:
    """A running check: where its steps are fetched, and how it ended."""

    url: str
    process: subprocess.Popen[str]
    err: Path

    def end(self) -> tuple[int, Any]:
        """The exit code, and the document that was printed."""
        out, _ = self.process.communicate(timeout=commands.PATIENCE)
        return self.process.returncode, json.loads(out)

    def fetch(self, run: str = "one", after: int = 0, **more: Any) -> Any:
        answer = httpx.get(f"{self.url}/next", params={"run": run, "after": str(after)}, timeout=20, **more)
        return answer.json() if answer.status_code == 200 else answer

    def answer(self, **given: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/answer", json=given)


@contextmanager
def checking(cwd: Path, *options: str) -> Iterator[Check]:
    """`gatepass check-client --connect` from when it waits for a client."""
    err = cwd / "check.txt"
    with err.open("w") as stderr:
        process = subprocess.Popen(
            [commands.GATEPASS, "check-client", "--connect", "--port", "0", "--json", *options],
            cwd=cwd,
            env=commands.environment({}),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    check = Check("", process, err)

    def waits() -> bool:
        if found := re.search(r"'(http://\S+)/next\?run=1'", err.read_text()):
            check.url = found[1]
        return found is not None

    try:
        commands.until(waits, commands.Running(process, {}, err, err))  # type: ignore[arg-type]
        yield check
    finally:
        process.terminate()
        process.communicate(timeout=commands.PATIENCE)


@pytest.mark.parametrize("dialect", ["elixir", "junction"])
def test_the_example_of_a_connecting_client_has_full_marks(dialect: str, tmp_path: Path) -> None:
    with checking(tmp_path, "--dialect", dialect, "--junit", "report.xml") as check:
        client = subprocess.run(
            [sys.executable, EXAMPLE, check.url, tmp_path / "session.json"],
            cwd=tmp_path,
            timeout=2 * commands.PATIENCE,
            capture_output=True,
            check=False,
        )
        code, report = check.end()
    assert [one for one in report["checks"] if not one["passed"]] == []
    assert (code, client.returncode, report["passed"]) == (0, 0, True), client.stderr
    assert {one["scenario"] for one in report["checks"]} == {each.__name__ for each in SCENARIOS[dialect]}
    assert "never logs a token" in (tmp_path / "report.xml").read_text(), "its log came over the line"
    assert "step 2: " in check.err.read_text()


def test_without_a_client_it_says_so_in_time(tmp_path: Path) -> None:
    ended = commands.run("check-client", "--connect", "--port", "0", "--timeout", "1", cwd=tmp_path)
    assert ended.returncode == 1
    assert re.search(r"error: no client asked for a step at http://127\.0\.0\.1:\d+ within 1 s\nnext: ", ended.stderr)


def test_a_check_that_is_stopped_leaves_no_server_behind(tmp_path: Path) -> None:
    with checking(tmp_path) as check:
        url = check.fetch()["url"]
        assert httpx.get(f"{url}/livez").status_code == 200
        check.process.terminate()
        assert check.process.wait(commands.PATIENCE) == 128 + 15
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/livez")


def test_a_client_that_goes_away_fails_the_rest_without_another_wait(tmp_path: Path) -> None:
    with checking(tmp_path, "--timeout", "3") as check:
        first = check.fetch()
        assert first["do"] == "install"
        assert check.answer(step=first["step"], ok=True).status_code == 204
        code, report = check.end()
    assert code == 1
    seen = [one["seen"] for one in report["checks"] if not one["passed"]]
    assert re.match(
        r"the client did not fetch step 2 \('ask_for_code'\) within 3 s: it last asked for a step \d+ s", seen[0]
    )
    assert len(seen) == len(SCENARIOS["elixir"])
    assert all(one.startswith("the client was not heard of again") for one in seen[1:])


def test_the_meeting_point_takes_nothing_else(tmp_path: Path) -> None:
    with checking(tmp_path) as check:
        step = check.fetch()
        url, number = f"{check.url}/answer", step["step"]
        assert check.fetch(run="").json() == {
            "error": "run is a word that the app makes up at each start, such as a UUID"
        }
        assert check.fetch(run="x" * 65).status_code == 400
        assert httpx.get(f"{check.url}/next?run=a&after=-1").status_code == 400
        assert httpx.post(url, content=f'{{"step":{number},"ok":true}}').status_code == 400, (
            "as a foreign page's form would"
        )
        for body in (
            "[]",
            "{",
            "[" * 60_000,
            f'{{"step":{number}}}',
            f'{{"step":"{number}","ok":true}}',
            '{"step":true,"ok":1}',
        ):
            refused = httpx.post(url, content=body, headers={"content-type": "application/json"})
            assert (refused.status_code, set(refused.json())) == (400, {"error"}), body[:40]
        assert check.answer(step=number, ok=True, error="x" * 70_000).status_code == 413
        assert check.answer(step=number + 1, ok=True).json() == {
            "error": f"step {number + 1} is over; ask for the next one"
        }
        assert check.fetch(headers={"host": "evil.example"}).status_code == 404
        assert check.fetch() == step, "a step whose answer was lost on the way is handed out again"


def test_an_emulator_is_sent_to_the_server_by_the_name_it_knows(tmp_path: Path) -> None:
    with checking(tmp_path) as check:
        assert check.fetch()["url"].startswith("http://127.0.0.1:")
        assert check.fetch(headers={"host": "10.0.2.2:8010"})["url"].startswith("http://10.0.2.2:")


def test_on_the_lan_both_addresses_are_of_the_one_private_network(tmp_path: Path) -> None:
    try:
        own = nearby.lan_address(nearby.own_addresses())
    except Failure as missing:
        pytest.skip(str(missing))
    shown = f"[{own}]" if ":" in own else own
    with checking(tmp_path, "--lan") as check:
        assert check.url.startswith(f"http://{shown}:")
        assert check.fetch()["url"].startswith(f"http://{shown}:")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{httpx.URL(check.url).port}/next?run=a")
        said = check.err.read_text()
    assert "NSAllowsLocalNetworking" in said
    assert "cleartextTrafficPermitted" in said


def test_a_person_is_the_hands_of_an_app_without_a_hook(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra `browser` is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no browser here")
    with checking(tmp_path) as check, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(check.url)
        playwright.expect(page.locator("#scenario")).to_have_text("expired access token")
        page.get_by_role("button", name="worked").click()
        playwright.expect(page.locator("#say")).to_have_text("ask for a code for ada@example.com")
        step = json.loads(page.locator("#step").inner_text())
        with httpx.Client(base_url=step["url"], headers={"x-api-key": step["publishable_key"]}) as app:
            asked = app.post(LOGIN, json={"email": step["email"]}).json()["data"]
            page.reload()
            page.get_by_role("button", name="worked").click()
            playwright.expect(page.locator("#say")).to_have_text(f"sign in with the code {asked['userCode']}")
        browser.close()


@pytest.mark.parametrize(
    "options",
    [(), ("--connect", "--", "true"), ("--lan", "--", "true"), ("--connect", "--jobs", "2")],
    ids=lambda options: " ".join(options) or "nothing",
)
def test_options_that_contradict_each_other_are_refused(options: tuple[str, ...], tmp_path: Path) -> None:
    ended = commands.run("check-client", *options, cwd=tmp_path)
    assert ended.returncode == 2
    assert "next: " in ended.stderr


# The line alone.


def told_by(line: Line) -> tuple[list[Any], threading.Thread]:
    """What a scenario in another thread is told by `Connected`."""
    told: list[Any] = []

    def play() -> None:
        try:
            client = Connected(line, {})
            client.send("call")
            client.restart()
            told.append(client.ask("status"))
            told.append(client.shows_tokens())
        except Unanswered as error:
            told.append(str(error))

    thread = threading.Thread(target=play)
    thread.start()
    return told, thread


def test_a_restart_overtakes_a_call_and_is_answered_by_a_new_run_alone() -> None:
    line = Line(20)
    told, thread = told_by(line)
    install = line.fetch("first", 0, 20)
    assert install is not None
    assert line.answer(1, {"ok": True})
    overtaken = line.fetch("first", 1, 20)
    while overtaken is not None and overtaken["do"] != "restart":
        overtaken = line.fetch("first", overtaken["step"], 20)
    assert overtaken is not None
    assert not line.answer(2, {"ok": True}), "the app was killed in the middle of it"
    assert not line.answer(3, {"ok": True}), "whoever was killed says nothing"
    assert line.fetch("first", 3, 0.1) is None
    status = line.fetch("second", 0, 20)
    assert status is not None
    assert status["do"] == "status"
    line.log(f"a line\n{JWT}\n")
    assert line.answer(status["step"], {"ok": True, "status": "signed_in"})
    thread.join()
    assert told == [{"ok": True, "status": "signed_in"}, 1]


def test_an_app_that_does_not_restart_is_told_apart_from_one_that_is_silent() -> None:
    line = Line(0.5)
    told, thread = told_by(line)
    line.fetch("only", 0, 20)
    line.answer(1, {"ok": True})
    while thread.is_alive():
        line.fetch("only", 0, 0.1)
    assert told == ["no new run of the app asked for a step within 0.5 s after 'restart'"]

"""Every command of the README does what the README says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commands import environment
from postgres import free_port
from readme import PORT, README, ROOT, Block, Replay, blocks, prompts

START_LIMIT = 30
"""Seconds for a server to answer, on a machine that is busy with other tests."""


def surroundings(**more: str) -> dict[str, str]:
    """A shell of a newcomer: `gatepass` on the path, no settings."""
    clean = environment({})
    return {**clean, "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}", **more}


def shell(script: str, cwd: Path, *, timeout: float = 60, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euc", script],
        cwd=cwd,
        env=surroundings(**more),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def started(script: str, cwd: Path, port: int, **more: str) -> Iterator[subprocess.Popen[str]]:
    """*script* running until its server answers on *port*; all of it is stopped afterwards."""
    with (cwd / "started.out").open("w") as out, (cwd / "started.err").open("w") as err:
        process = subprocess.Popen(
            ["bash", "-euc", script],
            cwd=cwd,
            env=surroundings(**more),
            stdout=out,
            stderr=err,
            text=True,
            start_new_session=True,
        )
    try:
        _until_live(process, port, cwd)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _until_live(process: subprocess.Popen[str], port: int, cwd: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"nothing answers on port {port}:\n{(cwd / 'started.err').read_text()}")


def on_port(script: str, port: int) -> str:
    """*script* with the server on a free port instead of the default one."""
    return re.sub(r"gatepass (dev|serve)(?! --port)", rf"gatepass \1 --port {port}", script).replace(
        f"127.0.0.1:{PORT}", f"127.0.0.1:{port}"
    )


def test_the_first_request_goes_as_it_is_pasted(tmp_path: Path) -> None:
    """What a newcomer sees first, word for word: the greeting of the dev server, and the sign-in below it."""
    told = [pair for block in blocks("console") for pair in prompts(block.text)]
    (start, greeting), *requests = told
    assert start == "gatepass dev"
    assert len(requests) >= 3
    replay = Replay(free_port())

    with started(on_port(start, replay.port), tmp_path, replay.port):
        deadline = time.monotonic() + START_LIMIT
        while "Ctrl-C" not in (tmp_path / "started.out").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        pasted, actual = replay.output(greeting, (tmp_path / "started.out").read_text())
        assert actual == pasted
        for command, output in requests:
            done = shell(replay.command(command), tmp_path)
            assert done.returncode == 0, done.stderr
            pasted, actual = replay.output(output, done.stdout)
            assert actual == pasted, command


def test_every_script_runs(tmp_path: Path) -> None:
    """In order, in one directory, as someone would who reads from top to bottom."""
    port = free_port()
    scripts = [block for block in blocks("sh") if block.word in ("", "starts")]
    assert len(scripts) >= 3
    for block in scripts:
        if block.word == "starts":
            with started(on_port(block.text, port), tmp_path, port):
                pass
            continue
        done = shell(on_port(block.text, port), tmp_path)
        assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"


def test_the_python_shown_runs(tmp_path: Path) -> None:
    for block in blocks("python"):
        script = tmp_path / "test_shown.py"
        script.write_text(block.text)
        done = shell(f"{sys.executable} -m pytest -q -p no:cacheprovider {script}", tmp_path)
        assert done.returncode == 0, done.stdout


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    fences = re.findall(r"^```(\w.*)$", README, re.M)
    assert set(fences) <= {"console", "sh", "sh starts", "sh fresh", "sh docker", "python"}
    assert README.count("```") == 2 * len(fences), "a block without a language is run by nobody"


@pytest.fixture
def fresh_copy(tmp_path: Path) -> Path:
    """The repository as a newcomer gets it: what is committed, and nothing installed."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "gatepass")], check=True)
    return tmp_path / "gatepass"


@pytest.mark.live
@pytest.mark.parametrize("block", blocks("sh", "fresh"), ids=lambda block: block.text.splitlines()[0])
def test_from_a_fresh_clone_to_a_server_and_passing_tests(block: Block, fresh_copy: Path) -> None:
    """Installs from nothing, then serves, then tests: the two commands, and the plain lines beside them.

    The tests are cut down to one story: all of them run elsewhere, and this one is about the set-up.
    """
    if "uv " in block.text and not shutil.which("uv"):
        pytest.skip("uv is not installed")
    port = free_port()
    for line in block.text.splitlines():
        if re.search(r"make dev|gatepass dev", line):
            script = f"{line} --port {port}" if "gatepass dev" in line else line
            with started(script, fresh_copy, port, ARGS=f"--port {port}"):
                pass
            continue
        story = "tests/stories"
        script = f"{line} {story}" if "pytest" in line else line
        done = shell(script, fresh_copy, timeout=1200, ARGS=story)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.live
def test_the_composition_comes_up(fresh_copy: Path) -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose here")
    try:
        for block in blocks("sh", "docker"):
            done = shell(block.text, fresh_copy, timeout=1200)
            assert done.returncode == 0, done.stderr
    finally:
        shell("docker compose down --volumes", fresh_copy, timeout=300)

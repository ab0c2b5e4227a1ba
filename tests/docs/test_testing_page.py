"""The page about testing: each of its blocks runs as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import commands

TEXT = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)


def run(*command: str | Path, cwd: Path) -> str:
    """What the command says on stdout; it must succeed."""
    clean = commands.environment({})
    environment = {**clean, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_pytest_blocks_pass(tmp_path: Path) -> None:
    for number, block in enumerate(blocks("python")):
        (tmp_path / f"test_{number}.py").write_text(block)
    assert "4 passed" in run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)


def test_the_shell_block_runs(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    (block,) = blocks("sh")
    said = run("sh", "-euc", block, cwd=tmp_path)
    assert re.search(r"ada@example\.com +\d{5,}", said)
    assert '"commit_then_drop"' in said
    assert '"offset_seconds":' in said


def test_the_node_block_passes(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("no Node here")
    (block,) = blocks("js")
    (tmp_path / "signin.test.mjs").write_text(block)
    said = run(
        commands.GATEPASS, "exec", "--", "node", "--test", "--test-reporter=tap", "signin.test.mjs", cwd=tmp_path
    )
    assert "# pass 2" in said


def test_every_block_is_of_a_kind_that_is_run() -> None:
    fences = re.findall(r"^```(.*)$", TEXT, re.M)
    assert {fence for fence in fences if fence} == {"python", "sh", "js"}

"""`gatepass check-client`: full marks for the reference clients, and for a careless one exactly what it lacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import commands
from gatepass.cli.checking.scenarios import SCENARIOS
from gatepass.cli.checking.verdicts import holds_token

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "examples" / "check-client" / "reference_client.py"
CARELESS = Path(__file__).with_name("careless_client.py")


def check(driver: Path, cwd: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return commands.run("check-client", "--jobs", "6", *options, "--", sys.executable, str(driver), cwd=cwd)


def failed(report: Any) -> set[tuple[str, str]]:
    return {(one["scenario"], one["behaviour"]) for one in report["checks"] if not one["passed"]}


@pytest.mark.parametrize("dialect", ["elixir", "junction"])
def test_the_reference_client_passes_with_full_marks(dialect: str, tmp_path: Path) -> None:
    ended = check(REFERENCE, tmp_path, "--dialect", dialect, "--json", "--junit", "report.xml")
    report = json.loads(ended.stdout)
    assert failed(report) == set()
    assert (ended.returncode, report["passed"]) == (0, True)
    assert {one["scenario"] for one in report["checks"]} == {each.__name__ for each in SCENARIOS[dialect]}
    suites = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert int(suites.attrib["tests"]) == len(suites.findall(".//testcase")) == len(report["checks"])
    assert suites.findall(".//failure") == []


def test_a_careless_client_fails_where_it_is_careless_and_nowhere_else(tmp_path: Path) -> None:
    ended = check(CARELESS, tmp_path, "--json", "--junit", "report.xml")
    assert ended.returncode == 1
    report = json.loads(ended.stdout)
    everywhere = {
        (each.__name__, found) for each in SCENARIOS["elixir"] for found in ("no_token_in_url", "no_token_in_log")
    }
    assert failed(report) == everywhere | {
        ("parallel_calls", "single_flight"),
        ("server_error", "backs_off"),
        ("server_error", "keeps_session"),
        ("too_many_requests", "honours_retry_after"),
        ("killed_while_using", "stores_before_using"),
        ("stolen_token", "learns_of_the_end"),
        ("stolen_token", "drops_dead_tokens"),
        ("ban", "learns_of_the_end"),
        ("ban", "drops_dead_tokens"),
    }
    assert all(one["seen"] and one["why"] and one["next"] for one in report["checks"] if not one["passed"])
    suites = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert int(suites.attrib["failures"]) == len(suites.findall(".//failure")) == len(failed(report))
    assert not holds_token(ended.stdout + ended.stderr + (tmp_path / "report.xml").read_text())


def test_a_driver_that_dies_fails_every_scenario_with_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("raise SystemExit(3)\n")
    ended = check(tmp_path / "dies.py", tmp_path, "--json")
    assert ended.returncode == 1
    report = json.loads(ended.stdout)
    assert failed(report) == {(each.__name__, "answers") for each in SCENARIOS["elixir"]}


def test_a_command_that_does_not_exist_is_a_mistake_in_the_asking(tmp_path: Path) -> None:
    ended = commands.run("check-client", "--", "./no-such-driver", cwd=tmp_path)
    assert ended.returncode == 2
    assert "./no-such-driver cannot be started" in ended.stderr
    assert "Traceback" not in ended.stderr

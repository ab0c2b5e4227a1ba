"""What the command line says of itself."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer.main

import commands
from gatepass import __version__
from gatepass.cli import app, keys, teams
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.teams import Region, SignUp, TeamEnvironment


def every_command() -> Iterator[tuple[str, ...]]:
    """The words of each command and of each family of commands."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*words, name))

    return walk(typer.main.get_command(app), ())


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_every_help_has_an_example_that_can_be_copied(words: tuple[str, ...], gatepass: Any) -> None:
    said = gatepass(*words, "--help")
    assert said.code == 0
    example = said.out.partition("Example:\n")[2].strip()
    assert example.startswith(" ".join(("gatepass", *words)))


@pytest.mark.parametrize("words", [(), ("exec",), ("teams", "create")], ids=" ".join)
def test_help_has_a_short_spelling_too(words: tuple[str, ...], gatepass: Any) -> None:
    said = gatepass(*words, "-h")

    assert said.code == 0
    assert said.out == gatepass(*words, "--help").out


def test_help_is_quick_because_it_loads_no_server(tmp_path: Path, record_property: Any) -> None:
    heavy = "sqlalchemy", "fastapi", "starlette", "pydantic", "uvicorn", "alembic", "asyncpg", "structlog", "asyncio"
    script = f"""
import sys
from gatepass.cli import main
assert main(["--help"]) == 0
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    began = time.perf_counter()
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    record_property("seconds", round(time.perf_counter() - began, 3))
    assert ran.stderr.strip() == "[]"


def test_the_module_is_the_command(tmp_path: Path) -> None:
    module = subprocess.run(
        [sys.executable, "-m", "gatepass", "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert module.stdout == commands.run("--help", cwd=tmp_path).stdout


def test_the_version_is_told(tmp_path: Path) -> None:
    assert commands.run("--version", cwd=tmp_path).stdout == f"gatepass {__version__}\n"


@pytest.mark.parametrize(
    ("command", "option", "words"),
    [
        (teams.create, "region", Region),
        (teams.create, "environment", TeamEnvironment),
        (teams.update, "sign_up", SignUp),
        (keys.create, "kind", Kind),
        (keys.create, "environment", Environment),
    ],
)
def test_an_option_takes_the_very_words_of_the_core(command: Any, option: str, words: Any) -> None:
    taken: set[str] = set()
    left = [get_type_hints(command)[option]]
    while left:
        for part in get_args(left.pop()):
            taken.add(part) if isinstance(part, str) else left.append(part)
    assert taken == {word.value for word in words}


def test_a_mistyped_command_is_told_what_was_meant(gatepass: Any) -> None:
    said = gatepass("teams", "creat")
    assert said.code == 2
    assert "'create'" in said.err
    assert "next: gatepass teams --help" in said.err
    assert said.out == ""


def test_with_json_a_failure_is_one_document_too(gatepass: Any) -> None:
    said = gatepass("teams", "show", "2f0d8f7e-54b7-4f0e-9d0d-6f3a2c1b0a99", "--json")
    assert said.code == 1
    assert said.json == {"error": "there is no such team", "next": "gatepass teams list shows them"}
    assert "there is no such team" in said.err

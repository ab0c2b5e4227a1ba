"""Every command says in one sentence that a database is none of ours, and never shows its URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatepass.cli import main
from harness import SECRET

COMMANDS = [
    ("migrate", "status"),
    ("migrate", "up"),
    ("serve", "--port", "0"),
    ("teams", "list"),
    ("keys", "list"),
    ("users", "list"),
    ("users", "import"),
    ("sessions", "explain", "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"),
    ("signing-keys", "list"),
]
URLS = [
    "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://sekret/x.db", "mysql://root:sekret@db/gatepass", "sekret",
    "postgresql://sekret:sekret@db:port/gatepass",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_of_another_kind_is_one_clear_sentence(
    directory: Path, command: tuple[str, ...], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEPASS_SECRET_KEY", SECRET)
    for url in URLS:
        monkeypatch.setenv("GATEPASS_DATABASE_URL", url)
        assert main(command) == 2, url
        said = capsys.readouterr()
        error, next_step = said.err.splitlines()
        assert "GATEPASS_DATABASE_URL" in error, url
        assert "sqlite:///path or postgresql://user:password@host/name" in error, url
        assert next_step.startswith("next: ")
        assert "sekret" not in said.err + said.out

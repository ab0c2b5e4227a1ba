"""The page about clients, run from top to bottom as a reader would."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from commands import PATIENCE, Running, dev
from gatepass.client.shells import Connected

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
TEXT = PAGE.read_text()


def mailed_code(server: Running) -> str:
    """What the reader finds in the mail, which a development server prints."""
    deadline = time.monotonic() + PATIENCE
    while not (codes := re.findall(r"code (\d+) for ada@example\.com", server.log + server.out.read_text())):
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)
    return str(codes[-1])


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
    assert len(blocks) >= 8
    monkeypatch.chdir(tmp_path)
    with dev(tmp_path) as server:
        for name, fact in (("URL", "url"), ("TEAM_API_KEY", "secret_key"), ("PUBLISHABLE_KEY", "publishable_key")):
            monkeypatch.setenv(f"GATEPASS_{name}", server.facts[fact])
        reader: dict[str, Any] = {"input": lambda _: mailed_code(server), "__name__": "__main__"}
        with ExitStack() as opened:
            for block in blocks:
                line = TEXT[: TEXT.index(block)].count("\n")
                exec(compile("\n" * line + block, PAGE, "exec"), reader)
            for thing in reader.values():
                if isinstance(thing, httpx.Client | Connected):
                    opened.callback(thing.close)  # a reader's program would go on


def test_every_block_is_of_a_kind_that_is_run() -> None:
    fences = re.findall(r"^```(.*)$", TEXT, re.M)
    assert set(fences) == {"python", ""}
    assert len(fences) % 2 == 0

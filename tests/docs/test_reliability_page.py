"""Every figure of the reliability page has a test that measures it, and every command there leads to one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
PUBLISHED = re.compile(r'publish\(\s*f?"([^"]+)"')


def test_every_figure_is_published_by_a_live_test_and_the_other_way_round() -> None:
    places = re.findall(r"<!-- figure:([a-z0-9-]+) -->", PAGE)
    names = [
        name for test in (ROOT / "tests" / "live").glob("test_*.py") for name in PUBLISHED.findall(test.read_text())
    ]
    assert len(places) == len(set(places)) > 0
    patterns = {name: re.compile(re.sub(r"\{.*?\}", "[a-z0-9]+", name)) for name in names}
    assert [place for place in places if not any(known.fullmatch(place) for known in patterns.values())] == []
    assert [name for name, known in patterns.items() if not any(known.fullmatch(place) for place in places)] == []


def test_every_command_leads_to_tests() -> None:
    named = re.findall(r"tests/[\w/]+(?:\.py)?", PAGE)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []

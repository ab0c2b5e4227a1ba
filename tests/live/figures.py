"""Figures that a live test measured, for docs/reliability.md.

`GATEPASS_PUBLISH=1 pytest -m live ...` writes them into the page; without it they are printed only. A figure stands
between `<!-- figure:NAME -->` and `<!-- /figure -->`, and nothing but its test ever writes it.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def publish(name: str, measured: str) -> None:
    """Write *measured*, a phrase, as the figure *name*, with today's date."""
    text = f"{measured} ({datetime.now(UTC):%Y-%m-%d})"
    print(f"\n{name}: {text}")
    if os.environ.get("GATEPASS_PUBLISH") != "1":
        return
    place = re.compile(rf"(<!-- figure:{re.escape(name)} -->).*?(<!-- /figure -->)", re.DOTALL)
    page, places = place.subn(lambda found: f"{found[1]}{text}{found[2]}", PAGE.read_text())
    assert places == 1, f"docs/reliability.md has {places} places for the figure {name!r}"
    PAGE.write_text(page)

"""docs/settings.md is what the settings say about themselves."""

from __future__ import annotations

import runpy
from pathlib import Path

from gatepass.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]


def test_the_reference_is_current() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "settings_reference.py"))

    assert script["page"]() == (ROOT / "docs" / "settings.md").read_text(), "run: python scripts/settings_reference.py"


def test_every_setting_has_a_line_that_says_what_it_is_for() -> None:
    lines = (ROOT / "docs" / "settings.md").read_text().splitlines()
    for name, field in Settings.model_fields.items():
        assert field.description, f"{name} has no description"
        assert [line for line in lines if line.startswith(f"| `{PREFIX}{name.upper()}` |")], name

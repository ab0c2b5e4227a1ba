"""Write docs/settings.md from the settings themselves: `python scripts/settings_reference.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gatepass.settings import PREFIX, Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

INTRODUCTION = """\
# Settings

Every setting is an environment variable, or a line of a `.env` file in the working directory; the environment wins.
They are read once, at start. A value that cannot be right stops the server with a sentence about it, and so does a
variable that is a near miss of one of these names. An empty value counts as not set.

`scripts/settings_reference.py` writes this page from `app/gatepass/settings.py`; a test says when it is out of date.
"""

SECTIONS = {
    "Server": "",
    "Mail": "",
    "Codes": "",
    "Limits": "Each is written like `10/hour,20/day`, or `off`. Periods: `second`, `minute`, `hour`, `day`; one starts\n"
    "with its first use. Whoever is over a limit gets 429 with `Retry-After`.",
    "Lifetimes": "In seconds. What the replay window and budget do is told in [rotation](contracts/rotation.md).",
}


def section(name: str) -> str:
    """Under which heading a setting stands."""
    if name.startswith("limit_"):
        return "Limits"
    if name.endswith("_ttl") or name.startswith("replay_"):
        return "Lifetimes"
    if name.startswith(("smtp_", "mail_")):
        return "Mail"
    return "Codes" if "code" in name or name == "review_accounts" else "Server"


def default(field: FieldInfo) -> str:
    """The value that stands when none is given."""
    if field.default is PydanticUndefined:
        return "**required**"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if value in (None, ()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def bounds(field: FieldInfo) -> str:
    """What is allowed, where that is a range or a choice."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    least = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    most = next((rule.le for rule in field.metadata if hasattr(rule, "le")), None)
    if least is None:
        return ""
    return f"{least} – {most}" if most is not None else f"≥ {least}"


def page() -> str:
    """The whole reference, as Markdown."""
    parts = [INTRODUCTION]
    for heading, words in SECTIONS.items():
        parts.append(f"## {heading}\n" + (f"\n{words}\n" if words else ""))
        rows = ["| variable | default | allowed | |", "|---|---|---|---|"]
        rows += [
            f"| `{PREFIX}{name.upper()}` | {default(field)} | {bounds(field)} | {field.description} |"
            for name, field in Settings.model_fields.items()
            if section(name) == heading
        ]
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())

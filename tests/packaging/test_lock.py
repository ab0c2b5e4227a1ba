"""requirements.lock: what an image is built from, every file pinned by its hash."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from installation import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
ENTRIES = re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)([^\n]*(?:\n {4}--hash=\S+[^\n]*)*)", LOCK, re.M)


def test_every_line_is_a_pinned_version_or_a_hash() -> None:
    assert "://" not in LOCK, "the lock names an address"
    lines = [line for line in LOCK.splitlines() if line and not line.lstrip().startswith("#")]
    hashes = [line for line in lines if re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line)]

    assert len(ENTRIES) > 30
    assert len(lines) == len(ENTRIES) + len(hashes), "the lock names an index or a path"
    assert all("--hash=sha256:" in rest for _, _, rest in ENTRIES)


def test_the_lock_holds_what_the_project_asks_for() -> None:
    """A dependency added to pyproject.toml wants `make lock`."""
    pinned = {canonicalize_name(name): Version(version) for name, version, _ in ENTRIES}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        wanted = Requirement(text)
        assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, text

"""The wheel as anyone would install it: built once, unpacked away from the source tree."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from installation import ROOT, Installed


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source tree."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a directory of its own, put there by pip or, in an environment without it, by uv."""
    at = tmp_path_factory.mktemp("installed")
    if importlib.util.find_spec("pip"):
        installer = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    else:
        uv = shutil.which("uv")
        assert uv, "neither pip nor uv is here to install the wheel with"
        installer = [uv, "pip", "install", "--python", sys.executable]
    subprocess.run(
        [*installer, "--quiet", "--no-index", "--no-deps", "--target", str(at), str(wheel)], check=True, timeout=120
    )
    return Installed(at, tmp_path_factory.mktemp("elsewhere"))

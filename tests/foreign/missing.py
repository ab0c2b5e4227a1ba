"""What a machine may lack: then these tests are skipped with the line that installs it, unless they were promised."""

from __future__ import annotations

import importlib
import os
from typing import Any, NoReturn

import pytest

INSTALL = "pip install -e '.[foreign]'"


def fail_or_skip(message: str) -> NoReturn:
    """Skip, or fail where the clients of others were promised."""
    if os.environ.get("GATEPASS_REQUIRE_FOREIGN") == "1":
        pytest.fail(message)
    pytest.skip(message)


def imported(module: str) -> Any:
    """The module of a client from PyPI, typed as its authors like."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        fail_or_skip(f"{module} is missing; install it: {INSTALL}")

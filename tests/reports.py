"""What a test process reports of a test to the one that prints: text that can travel.

A lone surrogate in captured output, a log line or an assertion (tests of bad input have many) is no text that UTF-8 can
carry, and would end the test process instead of the test.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """The report with every lone surrogate spelled out, as in `\\ud800`."""
    return carried((yield))


def carried(value: Any) -> Any:
    """*value*, its strings such that UTF-8 can carry them."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {carried(name): carried(member) for name, member in value.items()}
        case list() | tuple():
            return type(value)(map(carried, value))
        case _:
            return value

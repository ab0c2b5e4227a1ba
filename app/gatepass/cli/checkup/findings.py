"""What a check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self


class State(StrEnum):
    """How bad it is. *skipped*: there is nothing to look at here, or no way to."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: what was seen, and where that is not as it should be, what to do *next*."""

    state: State
    said: str
    next_step: str = ""
    check: str = ""

    def of(self, check: str) -> Self:
        """The same, found by *check*."""
        return replace(self, check=check)


def ok(said: str) -> Finding:
    return Finding(State.OK, said)


def warn(said: str, next_step: str) -> Finding:
    return Finding(State.WARN, said, next_step)


def fail(said: str, next_step: str) -> Finding:
    return Finding(State.FAIL, said, next_step)


def skipped(said: str) -> Finding:
    return Finding(State.SKIPPED, said)


def line(finding: Finding) -> str:
    """One finding as people read it."""
    said = f"{finding.state.value:<7}  {finding.check.replace('_', ' ')}: {finding.said}"
    return f"{said}\n         next: {finding.next_step}" if finding.next_step else said


def summary(findings: Sequence[Finding]) -> str:
    """The last line."""
    count = {state: sum(finding.state is state for finding in findings) for state in State}
    said = f"{len(findings)} checks: {count[State.FAIL]} failed, {count[State.WARN]} with a warning"
    return f"{said}, {count[State.SKIPPED]} skipped" if count[State.SKIPPED] else said


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """All of it as plain data. `ok`: nothing failed."""
    return {
        "ok": not any(finding.state is State.FAIL for finding in findings),
        "checks": [
            {
                "check": finding.check,
                "state": finding.state.value,
                "said": finding.said,
                **({"next": finding.next_step} if finding.next_step else {}),
            }
            for finding in findings
        ],
    }

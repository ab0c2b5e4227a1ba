"""Verdicts as people, programs and build servers read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from gatepass.cli.checking.verdicts import Verdict

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")


def line(verdict: Verdict) -> str:
    """One verdict; a failed one with its reason and what to do."""
    rule = verdict.behaviour.value
    said = f"{'PASS' if verdict.passed else 'FAIL'}  {spoken(verdict.scenario)}: {rule.title}"
    if verdict.passed:
        return said
    return f"{said}\n      saw:  {verdict.seen}\n      why:  {rule.why}\n      next: {rule.advice}"


def summary(verdicts: Sequence[Verdict]) -> str:
    """The last line."""
    failed = sum(not verdict.passed for verdict in verdicts)
    return f"{failed} of {len(verdicts)} checks failed" if failed else f"all {len(verdicts)} checks passed"


def document(dialect: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """All of it as plain data."""
    return {
        "dialect": dialect,
        "passed": all(verdict.passed for verdict in verdicts),
        "checks": [
            {
                "scenario": verdict.scenario,
                "behaviour": verdict.behaviour.name.lower(),
                "title": verdict.behaviour.value.title,
                "passed": verdict.passed,
                **({} if verdict.passed else {"seen": verdict.seen, **_reasons(verdict)}),
            }
            for verdict in verdicts
        ],
    }


def junit(dialect: str, verdicts: Sequence[Verdict]) -> bytes:
    """JUnit XML: a scenario is a class, a behaviour a test."""
    failed = str(sum(not verdict.passed for verdict in verdicts))
    counts = {"tests": str(len(verdicts)), "failures": failed, "errors": "0", "skipped": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": f"gatepass check-client {dialect}", **counts})
    for verdict in verdicts:
        names = {"classname": f"{dialect}.{verdict.scenario}", "name": verdict.behaviour.value.title}
        case = ElementTree.SubElement(suite, "testcase", names)
        if not verdict.passed:
            seen = _NOT_XML.sub("?", verdict.seen)
            failure = ElementTree.SubElement(case, "failure", {"message": seen})
            failure.text = "\n".join(f"{name}: {text}" for name, text in _reasons(verdict).items())
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def spoken(name: str) -> str:
    """A scenario's name in words."""
    return name.replace("_", " ")


def _reasons(verdict: Verdict) -> dict[str, str]:
    return {"why": verdict.behaviour.value.why, "next": verdict.behaviour.value.advice}

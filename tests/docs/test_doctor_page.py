"""The page about the doctor names its checks, all of them."""

from __future__ import annotations

import re
from pathlib import Path

from gatepass.cli.checkup import content_checks, database_checks, outside_checks, settings_checks

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"


def test_every_check_has_its_row() -> None:
    checks = (
        *settings_checks.WITHOUT_SETTINGS,
        *settings_checks.CHECKS,
        database_checks.database,
        *database_checks.CHECKS,
        *content_checks.CHECKS,
        outside_checks.mail,
        outside_checks.mail_domain,
        outside_checks.reached,
        outside_checks.certificate,
        outside_checks.clock_in_front,
        outside_checks.proxy,
    )
    assert re.findall(r"^\| `(\w+)`", PAGE.read_text(), re.M) == [check.__name__ for check in checks]

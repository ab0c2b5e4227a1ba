"""Where a test server is and what opens it: the five variables, and whose they are."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatepass.cli.output import Failure

VARIABLES = {
    "GATEPASS_URL": "url",
    "GATEPASS_TEAM_ID": "team_id",
    "GATEPASS_TEAM_API_KEY": "secret_key",
    "GATEPASS_PUBLISHABLE_KEY": "publishable_key",
    "GATEPASS_ADMIN_TOKEN": "admin_token",
}
"""What programs read, and which fact of a ready file it is."""
RUNNING = "running.json"
"""The ready file that `gatepass dev` leaves in its data directory."""


def variables(facts: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a program that uses the server of *facts*."""
    return {name: str(facts[fact]) for name, fact in VARIABLES.items()}


def of_running(data_dir: Path | None) -> dict[str, str]:
    """The variables of the server that works on *data_dir*; without it of the one that the environment names, as below
    `gatepass exec`, or else of the one in the default place. Raises Failure where none runs."""
    from gatepass.cli.dev_data import DEFAULT

    if data_dir is None and all(os.environ.get(name) for name in VARIABLES):
        return {name: os.environ[name] for name in VARIABLES}
    directory = data_dir or DEFAULT
    if not _is_held(directory):
        raise Failure(f"no gatepass dev works on {directory}", "start it, or name its data directory with --data-dir")
    try:
        return variables(json.loads((directory / RUNNING).read_text()))
    except (OSError, ValueError, KeyError):
        raise Failure("gatepass dev is not ready yet", "run it again in a moment") from None


def _is_held(directory: Path) -> bool:
    """Whether a living process works on it; the operating system lets go of the lock when one dies."""
    try:
        with (directory / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False

"""An installation of the wheel, and how to run what it brought."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """The wheel without its dependencies, which are this interpreter's own. *elsewhere* is an empty directory."""

    at: Path
    elsewhere: Path

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run *command* with the installed package first on the path, and no other setting than *settings*."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEPASS_")}
        return subprocess.run(
            command,
            cwd=self.elsewhere,
            env={**environment, "PYTHONPATH": str(self.at), **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def python(self, code: str) -> str:
        """What *code* prints. Fails with what it complained about."""
        done = self.run(sys.executable, "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def gatepass(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the console script that the wheel brought."""
        return self.run(sys.executable, str(self.at / "bin" / "gatepass"), *arguments, **settings)

"""What `gatepass dev` keeps between starts: a database, and the secrets and keys that it shows each time.

The keys are made before the database knows them and are adopted by it at start, so a start that was cut short at any
point is completed by the next one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from gatepass.cli.files import write_private
from gatepass.cli.output import Failure
from gatepass.core import api_keys, teams
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.errors import Conflict
from gatepass.core.mint import Mint
from gatepass.core.teams import Region, TeamEnvironment
from gatepass.core.unit import Unit
from gatepass.settings import PREFIX, Settings, environment, misspelt

DEFAULT = Path(".gatepass")
SECRETS = "secrets.json"
DATABASE = "gatepass.db"

RELAXED: dict[str, Any] = {
    "expose_user_code": True,
    "log_format": "console",
    "code_cooldown": 0,
    "limit_login_per_client": "off",
    "limit_wrong_codes_per_client": "off",
    "limit_codes_per_address": "off",
    "limit_codes_per_client_and_address": "off",
    "limit_wrong_codes_per_address": "off",
    "limit_invalid_refresh_per_client": "off",
    "limit_token_endpoint_per_client": "off",
}
"""Settings of development; the environment's own win."""


@dataclass(frozen=True, slots=True)
class DevData:
    """One data directory's secrets. The database may not know the team and the keys yet: see `seed`."""

    directory: Path
    server_secret: str = field(repr=False)
    admin_token: str = field(repr=False)
    team_id: str
    secret_key: str = field(repr=False)
    publishable_key: str = field(repr=False)
    production_publishable_key: str = field(repr=False)

    @classmethod
    def load(cls, directory: Path) -> DevData:
        """The secrets kept in *directory*. Raises Failure where the file is damaged."""
        try:
            return cls(directory, **json.loads((directory / SECRETS).read_text()))
        except (ValueError, TypeError):
            raise Failure(
                f"{directory / SECRETS} is damaged", f"gatepass dev --fresh --data-dir {directory} starts over"
            ) from None

    @classmethod
    def load_or_make(cls, directory: Path, mint: Mint) -> DevData:
        """The secrets kept in *directory*, made and written there at the first start."""
        if exists(directory):
            return cls.load(directory)
        made = cls(
            directory,
            server_secret=mint.alphanumeric(48),
            admin_token=mint.alphanumeric(40),
            team_id=str(mint.uuid4()),
            secret_key=f"sk_eu_{mint.alphanumeric(40)}",
            publishable_key=f"pub_{mint.alphanumeric(40)}",
            production_publishable_key=f"pub_{mint.alphanumeric(40)}",
        )
        kept = {name: value for name, value in asdict(made).items() if name != "directory"}
        write_private(directory / SECRETS, json.dumps(kept, indent=2) + "\n")
        return made

    def settings(self, url: str = "http://127.0.0.1:8000") -> Settings:
        """The settings of a dev server: its own database and secrets, relaxed limits, and what the environment sets."""
        variables = environment()
        misspelt(variables)
        given = {name.removeprefix(PREFIX).lower() for name in variables}
        defaults = {"public_url": url, **RELAXED}
        return Settings(
            **{
                **{name: value for name, value in defaults.items() if name not in given},
                "secret_key": self.server_secret,
                "admin_token": self.admin_token,
                "database_url": f"sqlite:///{self.directory / DATABASE}",
                "test_mode": True,
            }
        )

    async def seed(self, unit: Unit) -> None:
        """Make the team and adopt the keys, as far as the database does not know them yet."""
        team_id = UUID(self.team_id)
        if await teams.find(unit, team_id) is None:
            await teams.create(unit, "Dev", region=Region.EU, environment=TeamEnvironment.LOCAL, team_id=team_id)
        for kind, key_environment, text in (
            (Kind.SECRET, None, self.secret_key),
            (Kind.PUBLISHABLE, Environment.DEVELOPMENT, self.publishable_key),
            (Kind.PUBLISHABLE, Environment.PRODUCTION, self.production_publishable_key),
        ):
            try:
                await api_keys.adopt(unit, team_id, kind, key_environment, text)
            except Conflict:
                continue


def exists(directory: Path) -> bool:
    """Whether a dev server ever kept its secrets there."""
    return (directory / SECRETS).is_file()


@contextmanager
def held(directory: Path, *, fresh: bool) -> Iterator[None]:
    """Make *directory* (0700) this process's alone, empty of earlier data if *fresh*. Raises Failure while another
    dev server holds it; the operating system lets go of it when a process dies."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(
                f"another gatepass dev works on {directory}", "stop it, or start this one with --memory"
            ) from None
        directory.chmod(0o700)
        (directory / ".gitignore").write_text("*\n")
        if fresh:
            for name in (SECRETS, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
                (directory / name).unlink(missing_ok=True)
        os.close(os.open(directory / DATABASE, os.O_CREAT | os.O_WRONLY, 0o600))
        yield

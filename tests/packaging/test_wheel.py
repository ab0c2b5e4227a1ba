"""What the wheel holds, and what an installed Gatepass can do without the source tree."""

from __future__ import annotations

import email
import json
import tomllib
import zipfile
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from gatepass.adapters import migrations
from installation import ROOT, Installed

SECRET = "a-secret-for-tests-0123456789abcdefghijkl"


def files_below(directory: Path) -> set[str]:
    """Everything a person put there."""
    return {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_and_the_migrations_and_nothing_else(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {f"gatepass/{name}" for name in files_below(ROOT / "app" / "gatepass")}
    scripts = {f"gatepass/migrations/{name}" for name in files_below(ROOT / "migrations")}

    assert packed == package | scripts


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_string(archive.read(name).decode())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert (metadata["Name"], metadata["Version"]) == ("gatepass", project["version"])
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata.get_payload() == (ROOT / "README.md").read_text()


def test_the_version_is_the_same_wherever_it_is_told(installed: Installed) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert installed.python("import gatepass; print(gatepass.__version__)") == project["version"]
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_installed_package_is_the_one_that_runs(installed: Installed) -> None:
    """All the other tests of this file would tell nothing if the source tree came first."""
    assert installed.python("import gatepass; print(gatepass.__file__)") == str(installed.at / "gatepass/__init__.py")


def test_a_mail_can_be_written_from_the_wheel_in_every_language(installed: Installed) -> None:
    languages = sorted(path.stem for path in (ROOT / "app/gatepass/adapters/mail/words").glob("*.toml"))
    written = installed.python(f"""
from uuid import UUID
from gatepass.adapters.mail.compose import compose
from gatepass.core.outbox import Claimed, CodeMail
for language in {languages}:
    mail = CodeMail("ada@example.com", "Acme", "482193", "a transaction", 1_790_000_000_250, 10, language)
    composed = compose(Claimed(UUID(int=1), UUID(int=2), mail, 1_790_000_600_250, 1))
    assert "482193" in composed.text and "482193" in composed.html
    print(composed.language)
""")
    assert written.splitlines() == languages


def test_the_command_greets_from_the_wheel(installed: Installed) -> None:
    helped = installed.gatepass("--help")

    assert helped.returncode == 0, helped.stderr
    assert "migrate" in helped.stdout


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gatepass.db'}"
    url: str = request.getfixturevalue("postgres").create_database("migrated_from_the_wheel")
    return url


def test_the_wheel_brings_its_migrations(installed: Installed, empty_url: str) -> None:
    settings = {"GATEPASS_SECRET_KEY": SECRET, "GATEPASS_DATABASE_URL": empty_url}

    def status() -> dict[str, object]:
        done = installed.gatepass("migrate", "status", "--json", **settings)
        told: dict[str, object] = json.loads(done.stdout)
        return told

    config = Config()
    config.set_main_option("script_location", str(migrations.scripts()))
    before = ScriptDirectory.from_config(config).get_revision(migrations.head()).down_revision
    for command, revision in (("up", migrations.head()), ("down", before), ("up", migrations.head())):
        moved = installed.gatepass("migrate", command, **settings)
        assert moved.returncode == 0, moved.stderr
        assert status()["current"] == revision

"""The image and the composition, as far as they can be checked without an engine."""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from gatepass.settings import PREFIX, Settings
from installation import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE = (ROOT / "docker-compose.yml").read_text()
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line.strip() and line[0] != "#"]


def composition() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE)
    return loaded


def copied() -> list[str]:
    """What the Dockerfile copies out of the source tree."""
    return [
        source
        for word, rest in INSTRUCTIONS
        if word == "COPY" and "--from" not in rest
        for source in shlex.split(rest)[:-1]
    ]


def reaches_the_builder(path: str) -> bool:
    """Whether .dockerignore lets *path* through; the last pattern that matches decides."""
    allowed = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if pattern and pattern[0] != "#" and fnmatch.fnmatch(path, pattern):
            allowed = line.startswith("!")
    return allowed


def test_all_that_the_image_copies_exists_and_reaches_the_builder() -> None:
    assert {"requirements.lock", "app", "migrations"} <= set(copied())
    for path in copied():
        assert (ROOT / path).exists(), path
        assert reaches_the_builder(path), f".dockerignore hides {path}"


@pytest.mark.parametrize("path", [".env", ".git", ".venv", ".gatepass", "tests", "docs"])
def test_nothing_private_reaches_the_builder(path: str) -> None:
    assert not reaches_the_builder(path)


def test_the_wheel_is_built_from_nothing_but_what_the_image_copies(wheel: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "src", tmp_path / "dist"
    source.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)

    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=60,
    )

    (built,) = out.glob("*.whl")
    assert zipfile.ZipFile(built).namelist() == zipfile.ZipFile(wheel).namelist()


def test_dependencies_come_from_the_lock_by_hash_and_the_wheel_brings_none() -> None:
    installs = [rest for word, rest in INSTRUCTIONS if word == "RUN" and "/opt/gatepass/bin/python install" in rest]

    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "-r requirements.lock" in installs[0]
    assert "--no-deps" in installs[1]
    assert "--no-index" in installs[1]


def test_the_image_runs_as_nobody_in_particular_and_looks_after_itself() -> None:
    final = INSTRUCTIONS[max(at for at, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]
    said = dict(final)

    assert said["USER"] == "10001:10001"
    assert "/livez" in said["HEALTHCHECK"]
    assert said["CMD"].startswith('["gatepass", "serve"')
    assert "pip uninstall" in said["RUN"], "build tools stay behind"


def test_every_variable_of_the_composition_is_a_setting() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+", COMPOSE))

    assert named
    assert named <= known


@pytest.mark.parametrize("service", ["app", "migrate"])
def test_every_other_setting_of_the_env_file_reaches_the_container(service: str) -> None:
    assert composition()["services"][service]["env_file"] == [{"path": ".env", "required": False}]


def test_the_composition_does_not_start_without_its_secrets() -> None:
    for name in ("GATEPASS_SECRET_KEY", "POSTGRES_PASSWORD", "GATEPASS_PUBLIC_URL", "GATEPASS_SMTP_URL"):
        asked = re.findall(rf"\${{{name}([^}}]*)}}", COMPOSE)
        assert asked, name
        assert all(rest.startswith(":?") and len(rest) > 10 for rest in asked), f"{name} is asked for with a sentence"


def test_its_environment_is_one_that_the_server_accepts() -> None:
    """With every variable replaced by an example, the settings load."""
    examples = {
        "GATEPASS_SECRET_KEY": "0123456789abcdef" * 4,
        "POSTGRES_PASSWORD": "fedcba9876543210" * 3,
        "GATEPASS_PUBLIC_URL": "https://auth.example.com",
        "GATEPASS_SMTP_URL": "smtp://user:password@mail.example.com:587?starttls=true",
        "GATEPASS_MAIL_FROM": "Acme <no-reply@example.com>",
    }
    filled = yaml.safe_load(re.sub(r"\$\{([A-Z_]+)[^}]*\}", lambda name: examples.get(name[1], ""), COMPOSE))
    for service in ("app", "migrate"):
        environment = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in filled["services"][service]["environment"].items()
            if value
        }
        settings = Settings(_env_file=None, **environment)
        assert settings.database_url.get_secret_value().startswith("postgresql://gatepass:fedcba")


def test_the_app_waits_for_the_migrations_and_these_for_the_database() -> None:
    services = composition()["services"]

    assert services["migrate"]["command"] == ["gatepass", "migrate", "up"]
    assert services["migrate"]["restart"] == "no"
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert services["app"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert "healthcheck" in services["database"]


def test_the_data_outlives_the_containers_and_the_port_is_open_to_this_host_only() -> None:
    described = composition()
    (mount,) = described["services"]["database"]["volumes"]

    assert mount.partition(":")[0] in described["volumes"]
    assert described["services"]["app"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in described["services"]["database"]

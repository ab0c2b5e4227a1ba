"""`gatepass migrate` and `gatepass init`."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from gatepass.adapters import migrations
from gatepass.cli import main
from gatepass.settings import load


def test_the_schema_goes_down_and_up_again(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    head = migrations.head()
    assert gatepass.json("migrate", "status") == {"current": head, "head": head, "up_to_date": True}
    assert gatepass.json("migrate", "down", "base") == {"current": None, "head": head, "up_to_date": False}
    assert "run: gatepass migrate up" in gatepass("migrate", "status").out
    assert gatepass("teams", "list").err.splitlines()[-1] == "next: run: gatepass migrate up"
    assert gatepass.json("migrate", "up")["up_to_date"] is True


def test_an_unknown_revision_is_refused(gatepass: Any) -> None:
    said = gatepass("migrate", "down", "nonsense")
    assert (said.code, said.out) == (2, "")
    assert "no such revision" in said.err


def test_a_database_out_of_reach_is_named_without_its_password(gatepass: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEPASS_DATABASE_URL", "postgresql://gatepass:sekret@127.0.0.1:1/gatepass")
    for words in (("migrate", "status"), ("teams", "list")):
        said = gatepass(*words)
        assert said.code == 1
        assert "GATEPASS_DATABASE_URL" in said.err
        assert "sekret" not in said.out + said.err


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SECRET_KEY", "short", "GATEPASS_SECRET_KEY: each secret needs at least 32 bytes"),
        ("DATABASE_URL", "mysql://u:sekret@h/d", "GATEPASS_DATABASE_URL"),
        ("DATABASE_URL", "sekret", "GATEPASS_DATABASE_URL"),
        ("CODE_LENGTH", "4", "GATEPASS_CODE_LENGTH: Input should be greater than or equal to 5"),
        ("REVIEW_ACCOUNTS", "a@b.co:sekret:2030-01-01", "GATEPASS_REVIEW_ACCOUNTS is not written as it should be"),
        ("TRUSTED_PROXY", "10.0.0.0/8", "did you mean GATEPASS_TRUSTED_PROXIES?"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_never_its_value(
    gatepass: Any, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"GATEPASS_{variable}", value)
    answer = gatepass("teams", "list")
    assert answer.code == 2
    assert said in answer.err
    assert len(answer.err.splitlines()) == 2
    assert "sekret" not in answer.err


def test_init_writes_settings_that_load_and_keeps_them_private(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == 0
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
    settings = load()
    said = capsys.readouterr()
    assert settings.admin_token is not None
    for secret in (settings.secret_key, settings.admin_token):
        assert len(secret.get_secret_value()) >= 40
        assert secret.get_secret_value() not in said.out + said.err


def test_init_never_overwrites(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".env").write_text("GATEPASS_CODE_LENGTH=5\n")
    assert main(["init"]) == 1
    assert "next: " in capsys.readouterr().err
    assert Path(".env").read_text() == "GATEPASS_CODE_LENGTH=5\n"


def test_a_misspelt_name_in_the_env_file_is_an_error_too(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init"])
    with Path(".env").open("a") as file:
        file.write("GATEPASS_CODE_LENGHT=5\n")
    assert main(["teams", "list"]) == 2
    assert "GATEPASS_CODE_LENGTH?" in capsys.readouterr().err

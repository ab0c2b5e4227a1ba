"""`gatepass doctor` on settings: each check made to fail, and to find nothing."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatepass.cli.checkup import settings_checks
from gatepass.cli.checkup.findings import State
from gatepass.core.mint import Mint
from gatepass.settings import Settings

FINE: dict[str, Any] = {
    "secret_key": Mint().alphanumeric(48),
    "database_url": "sqlite:///never-opened.db",
    "public_url": "https://auth.acme.dev",
    "smtp_url": "smtp://mailer:b8Jx0@mail.acme.dev:587",
    "mail_from": "Acme <no-reply@acme.dev>",
    "admin_token": Mint().alphanumeric(40),
}
SOME_DAY = {
    name: datetime.now(UTC).date() + timedelta(days=days) for name, days in {"past": -2, "near": 30, "far": 400}.items()
}


def state(check: str, **given: Any) -> tuple[State, str]:
    settings = Settings(_env_file=None, **{**FINE, **given})
    found = getattr(settings_checks, check)(settings)
    assert bool(found.next_step) == (found.state in (State.WARN, State.FAIL)), (
        "what is wrong says what to do, and only that"
    )
    return found.state, found.said


@pytest.mark.parametrize("check", [check.__name__ for check in settings_checks.CHECKS])
def test_nothing_is_found_where_all_is_well(check: str, free_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GATEPASS_")]:
        monkeypatch.delenv(name)
    assert state(check)[0] is State.OK


@pytest.mark.parametrize(
    ("check", "given", "expected"),
    [
        ("settings_fit_for_production", {"smtp_url": None}, State.FAIL),
        ("settings_fit_for_production", {"test_mode": True}, State.FAIL),
        ("secret_key", {"secret_key": "please-change-me-0123456789abcdef"}, State.FAIL),
        ("secret_key", {"secret_key": "k3Jx90Lm" * 6}, State.FAIL),
        ("secret_key", {"secret_key": "abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ"}, State.FAIL),
        ("secret_key", {"secret_key": f"{FINE['secret_key']},{FINE['secret_key']}"}, State.WARN),
        ("secret_key", {"secret_key": f"{FINE['secret_key']},{FINE['secret_key'][::-1]}"}, State.WARN),
        ("secret_key", {"secret_key": f"{FINE['secret_key']},{'abcd1234' * 8}"}, State.FAIL),
        ("admin_token", {"admin_token": "letmein"}, State.FAIL),
        ("admin_token", {"admin_token": "admin-password-of-this-long-server-of-ours"}, State.FAIL),
        ("admin_token", {"admin_token": FINE["secret_key"]}, State.FAIL),
        ("admin_token", {"admin_token": None}, State.OK),
        ("placeholders", {"public_url": "https://auth.example.com"}, State.FAIL),
        ("placeholders", {"smtp_url": "smtp://me:pw@mail.example.com:587"}, State.FAIL),
        ("placeholders", {"smtp_url": "smtp://user:password@mail.acme.dev:587"}, State.FAIL),
        ("public_url", {"public_url": "http://auth.acme.dev"}, State.FAIL),
        ("public_url", {"public_url": "http://localhost:8000"}, State.WARN),
        ("mail_sender", {"mail_from": "Gatepass <no-reply@localhost>"}, State.FAIL),
        ("mail_sender", {"mail_from": "no-reply@example.com"}, State.FAIL),
        ("mail_sender", {"mail_from": "no-reply@intranet"}, State.WARN),
        ("mail_sender", {"mail_from": "nobody"}, State.FAIL),
        ("mail_sender", {"smtp_url": None}, State.SKIPPED),
        ("trusted_proxies", {"trusted_proxies": "0.0.0.0/0"}, State.FAIL),
        ("trusted_proxies", {"trusted_proxies": "10.0.0.0/8,::/0"}, State.FAIL),
        ("trusted_proxies", {"trusted_proxies": "10.0.0.0/8"}, State.OK),
        ("shown_codes", {"expose_user_code": True}, State.FAIL),
        ("limits", {"limit_wrong_codes_per_client": "off"}, State.FAIL),
        ("review_accounts", {"review_accounts": f"review@acme.dev:482193:{SOME_DAY['past']}"}, State.WARN),
        ("review_accounts", {"review_accounts": f"review@acme.dev:482193:{SOME_DAY['far']}"}, State.WARN),
        ("review_accounts", {"review_accounts": f"review@acme.dev:482193:{SOME_DAY['near']}"}, State.OK),
    ],
)
def test_what_is_wrong_is_found(check: str, given: dict[str, Any], expected: State, free_directory: Path) -> None:
    found, said = state(check, **given)
    assert found is expected, said
    for secret in (FINE["secret_key"], given.get("secret_key"), given.get("admin_token"), "b8Jx0", "482193"):
        assert not secret or secret not in said, "a finding shows no secret"


def test_what_gatepass_init_makes_is_never_taken_for_made_up() -> None:
    """A false alarm about a good secret would make people change it. 5 000 of them, and as many from openssl."""
    mint = Mint()
    assert not any(settings_checks.is_made_up(mint.alphanumeric(48)) for _ in range(5_000))
    assert not any(settings_checks.is_made_up(mint.bytes(32).hex()) for _ in range(5_000))


def test_a_variable_that_does_nothing_is_named(free_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEPASS_PORT", "8000")
    found, said = state("unknown_settings")
    assert (found, "GATEPASS_PORT" in said) == (State.WARN, True)


def test_an_env_file_that_others_can_read_fails(free_directory: Path) -> None:
    assert settings_checks.env_file(None).state is State.SKIPPED
    path = free_directory / ".env"
    path.write_text("")
    for mode, expected in ((0o600, State.OK), (0o400, State.OK), (0o640, State.FAIL), (0o644, State.FAIL)):
        path.chmod(mode)
        assert settings_checks.env_file(None).state is expected


def test_passlib_beside_its_fork_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_checks.passlib(None).state is State.OK
    installed = tmp_path / "passlib-1.7.4.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: passlib\nVersion: 1.7.4\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = settings_checks.passlib(None)
    assert found.state is State.FAIL
    assert "pip uninstall passlib" in found.next_step

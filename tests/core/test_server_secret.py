"""The server's secret: one independent key per purpose, the first listed signs, all of them verify."""

from __future__ import annotations

import pytest

from gatepass.core.server_secret import SealBroken, ServerSecret

OLD = "the-old-secret-0123456789-abcdefghijklm"
NEW = "the-new-secret-0123456789-abcdefghijklm"


@pytest.mark.parametrize("listed", [(), ("",), ("x" * 31,), (OLD, "x" * 31), ("é" * 15,)])
def test_a_weak_secret_is_refused(listed: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        ServerSecret(*listed)


def test_purposes_and_messages_have_macs_of_their_own() -> None:
    secret = ServerSecret(OLD)
    macs = {secret.mac(purpose, message) for purpose in ("a", "b") for message in (b"1", b"2")}
    assert len(macs) == 4
    assert {len(mac) for mac in macs} == {32}


def test_all_listed_secrets_verify_and_the_first_one_signs() -> None:
    old, both = ServerSecret(OLD), ServerSecret(NEW, OLD)
    assert both.verifies("p", b"m", old.mac("p", b"m"))
    assert both.mac("p", b"m") == ServerSecret(NEW).mac("p", b"m")
    assert not old.verifies("p", b"m", both.mac("p", b"m"))
    assert not both.verifies("q", b"m", old.mac("p", b"m"))


def test_half_a_mac_verifies_and_less_proves_nothing() -> None:
    secret = ServerSecret(OLD)
    mac = secret.mac("p", b"m")
    assert secret.verifies("p", b"m", mac[:16])
    assert not secret.verifies("p", b"m", mac[:15])
    assert not secret.verifies("p", b"m", b"")
    assert not secret.verifies("p", b"m", mac + b"\0")


def test_what_is_sealed_opens_under_any_listed_secret_and_under_no_other() -> None:
    sealed = ServerSecret(OLD).seal("p", b"plain")
    assert b"plain" not in sealed
    assert ServerSecret(NEW, OLD).open("p", sealed) == b"plain"
    for other, purpose in ((ServerSecret(NEW), "p"), (ServerSecret(OLD), "q")):
        with pytest.raises(SealBroken):
            other.open(purpose, sealed)


def test_each_team_has_a_64_byte_key_per_listed_secret() -> None:
    secret = ServerSecret(NEW, OLD)
    keys = [*secret.team_keys("p", b"one"), *secret.team_keys("p", b"two")]
    assert len(set(keys)) == 4
    assert {len(key) for key in keys} == {64}


def test_a_secret_never_shows_itself() -> None:
    assert OLD not in repr(ServerSecret(OLD))

"""`gatepass signing-keys`: list, rotate, export."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def test_a_fresh_deployment_says_that_the_first_token_makes_a_key(gatepass: Any) -> None:
    assert gatepass("signing-keys", "list").out == "no signing key yet; the first token makes one\n"


def test_rotating_publishes_a_key_that_waits_beside_the_one_that_signs(either_gatepass: Any) -> None:
    first, second = either_gatepass.json("signing-keys", "rotate")
    assert [first["state"], second["state"]] == ["signing", "waiting"]
    assert first["ring"] == second["ring"] == "access"
    assert first["verifies_until"] > second["activates_at"] == second["created_at"] + 600_000
    assert either_gatepass.json("signing-keys", "list") == [first, second]
    assert first["kid"] in either_gatepass("signing-keys", "list").out


def test_at_once_is_in_two_seconds(gatepass: Any) -> None:
    _, second = gatepass.json("signing-keys", "rotate", "--at-once")
    assert second["activates_at"] == second["created_at"] + 2_000


def test_a_sign_in_ring_is_a_teams_own(gatepass: Any) -> None:
    acme, other = gatepass.team(), gatepass.team("Other")
    keys = gatepass.json("signing-keys", "rotate", "--ring", "sign-in", "--team", acme)
    assert {key["team_id"] for key in keys} == {acme}
    gatepass.json("signing-keys", "rotate", "--ring", "sign-in", "--team", other)
    assert len(gatepass.json("signing-keys", "list")) == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--ring", "access", "--team", "3f0e2d7c-4f4b-4c43-8f29-2f6d0a4bb0b1"), "leave --team out"),
        (("--ring", "sign-in", "--team", "nonsense"), "no id of a team"),
        (("--ring", "sign-in", "--team", "3f0e2d7c-4f4b-4c43-8f29-2f6d0a4bb0b1"), "team"),
    ],
)
def test_a_ring_that_is_not_there_is_refused_with_what_to_do(
    gatepass: Any, arguments: tuple[str, ...], says: str
) -> None:
    said = gatepass("signing-keys", "rotate", *arguments)
    assert said.code in (1, 2)
    assert says in said.err
    assert gatepass.json("signing-keys", "list") == []


def test_export_is_a_service_account_whose_key_the_team_verifies_with(gatepass: Any) -> None:
    team_id = gatepass.team()
    said = gatepass("signing-keys", "export", "--team", team_id)
    account = said.json
    assert account["type"] == "service_account"
    assert account["project_id"] == "vital-id-stg-eu"
    assert account["client_email"] == "id-signer-stg-eu@vital-id-stg-eu.iam.gserviceaccount.com"
    (key,) = gatepass.json("signing-keys", "list")
    assert account["private_key_id"] == key["kid"]
    private = load_pem_private_key(account["private_key"].encode(), password=None)
    assert jwt.encode({}, private, "RS256")  # type: ignore[arg-type]
    assert "warning" in said.err
    assert "PRIVATE KEY" not in said.err
    assert f"t-{team_id.replace('-', '')[:12]}" in said.err


def test_export_takes_the_newest_key_for_it_lasts_longest(gatepass: Any) -> None:
    team_id = gatepass.team()
    newest = gatepass.json("signing-keys", "rotate", "--ring", "sign-in", "--team", team_id)[-1]
    assert gatepass("signing-keys", "export", "--team", team_id).json["private_key_id"] == newest["kid"]

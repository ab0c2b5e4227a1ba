"""npm's clients, as published; each file of `node/` is a suite of stories that Node runs."""

from __future__ import annotations

from pathlib import Path

from customer import Customer
from nodejs import Workshop


def facts(customer: Customer) -> dict[str, str]:
    """What the stories are told of the server."""
    return {"gatepass": customer.url, "team": str(customer.team_id), "tenant": customer.tenant, "key": customer.key}


def test_junctions_node_sdk(workshop: Workshop, customer: Customer) -> None:
    workshop.run("junction.test.mjs", **facts(customer))


def test_firebase_at_an_emulator_and_firebase_admin_with_the_exported_key(
    workshop: Workshop, customer: Customer, tmp_path: Path
) -> None:
    workshop.run("firebase.test.mjs", **facts(customer), service_account=customer.service_account(tmp_path))


def test_oauth4webapi(workshop: Workshop, customer: Customer) -> None:
    workshop.run("oauth4webapi.test.mjs", **facts(customer))

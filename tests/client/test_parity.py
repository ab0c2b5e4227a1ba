"""What a client offers to threads it offers to an event loop, and the other way round."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from gatepass import client
from gatepass.client import http_auth


def offers(kind: type) -> dict[str, Any]:
    """Public names of a class: a property's, or a method's with its parameters."""
    return {
        name: member if isinstance(member, property) else list(inspect.signature(member).parameters.values())
        for name, member in inspect.getmembers(kind)
        if not name.startswith("_") and (isinstance(member, property) or callable(member))
    }


TWINS = ["JunctionClient", "ElixirClient", "OfflineVerifier"]


@pytest.mark.parametrize("name", TWINS)
def test_both_twins_offer_the_same(name: str) -> None:
    blocking, awaited = offers(getattr(client, name)), offers(getattr(client, f"Async{name}"))
    assert blocking.keys() == awaited.keys()
    for method, parameters in blocking.items():
        if not isinstance(parameters, property):
            assert [(p.name, p.kind, p.default) for p in parameters] == [
                (p.name, p.kind, p.default) for p in awaited[method]
            ]


@pytest.mark.parametrize("name", TWINS)
def test_both_twins_are_made_alike(name: str) -> None:
    made = [inspect.signature(getattr(client, f"{prefix}{name}")).parameters for prefix in ("", "Async")]
    assert list(made[0]) == list(made[1])


def test_every_twin_is_known_here() -> None:
    asynchronous = {name.removeprefix("Async") for name in client.__all__ if name.startswith("Async")}
    assert asynchronous - {"BearerAuth"} == set(TWINS)
    assert {name for name in vars(http_auth) if name.endswith("BearerAuth")} == {"BearerAuth", "AsyncBearerAuth"}

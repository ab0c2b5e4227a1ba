"""The table that spells refusals covers the whole tree, in words of the contract's section 6."""

from __future__ import annotations

import json

import pytest
from answers import CATALOGUE

import gatepass.main  # noqa: F401  (whatever refuses is imported)
from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.surfaces.elixir.refusals import SPELLING, spell, spelling
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge


def family(kind: type[Refusal]) -> list[type[Refusal]]:
    """*kind* and everything below it."""
    return [kind, *(below for child in kind.__subclasses__() for below in family(child))]


SHARED = [kind for kind in family(Refusal) if kind.__module__ in ("gatepass.core.errors", "gatepass.wiring")]
LEAVES = [kind for kind in SHARED if not any(child in SHARED for child in kind.__subclasses__())]


def test_the_tree_was_found() -> None:
    assert {errors.CodeWrong, errors.TokenReused, Fault, MethodNotAllowed, PayloadTooLarge} <= set(LEAVES)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_leaf_is_spelled_as_the_catalogue_says(leaf: type[Refusal]) -> None:
    status, code, message = spelling(leaf)
    assert (status, message in CATALOGUE[code][1]) == (CATALOGUE[code][0], True)


def test_every_line_of_the_catalogue_has_a_refusal() -> None:
    assert {code for _, code, _ in SPELLING.values()} == CATALOGUE.keys()


def test_nothing_in_the_table_is_unreachable() -> None:
    used = {next(kind for kind in leaf.__mro__ if kind in SPELLING) for leaf in LEAVES}
    assert used == set(SPELLING)


@pytest.mark.parametrize(
    "refusal",
    [
        errors.CodeWrong("private"),
        errors.InputRefused("private"),
        errors.NotFound("private"),
        errors.Unavailable("private"),
        errors.TooManyRequests(7, "private"),
        errors.SessionEnded("private"),
        Fault("private"),
        PayloadTooLarge("private"),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
def test_the_private_half_is_never_sent(refusal: Refusal) -> None:
    answer = spell(refusal)
    assert b"private" not in bytes(answer.body)
    assert all("private" not in value for value in answer.headers.values())
    assert json.loads(bytes(answer.body))["success"] is False

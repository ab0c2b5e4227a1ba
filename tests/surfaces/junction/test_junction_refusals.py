"""Both tables cover the whole tree of refusals, and no private half is ever sent."""

from __future__ import annotations

import json

import pytest

import gatepass.main  # noqa: F401  (whatever refuses is imported)
from gatepass import grants
from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.core.sessions import Cause
from gatepass.surfaces.junction import refusals, token_refusals, wire
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge


def family(kind: type[Refusal]) -> list[type[Refusal]]:
    """*kind* and everything below it."""
    return [kind, *(below for child in kind.__subclasses__() for below in family(child))]


HERE = "gatepass.surfaces.junction"
SHARED = [kind for kind in family(Refusal) if kind.__module__ in ("gatepass.core.errors", "gatepass.wiring")]
KNOWN = [kind for kind in family(Refusal) if kind in SHARED or kind.__module__.startswith(HERE)]
FORMS = [kind for kind in family(Refusal) if kind in SHARED or kind.__module__ == "gatepass.grants"]


def leaves(kinds: list[type[Refusal]]) -> list[type[Refusal]]:
    return [kind for kind in kinds if not any(child in kinds for child in kind.__subclasses__())]


def made(kind: type[Refusal]) -> Refusal:
    """One of that kind, with a private half."""
    match kind:
        case errors.ClientUserIdTaken | refusals.NameTaken:
            return kind("7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34", 0)  # type: ignore[call-arg]
        case errors.UserDeleted | refusals.DeletedBefore:
            return kind()
        case wire.BodyRefused:
            return wire.BodyRefused(wire.problem("missing", "Field required", "body"))
        case errors.TooManyRequests:
            return errors.TooManyRequests(7, "private")
        case _:
            return kind("private")


def test_the_tree_was_found() -> None:
    assert {errors.CodeWrong, errors.TokenReused, Fault, MethodNotAllowed, PayloadTooLarge} <= set(leaves(SHARED))
    assert {grants.FormRefused, grants.GrantTypeUnsupported} <= set(leaves(FORMS))


@pytest.mark.parametrize("leaf", leaves(KNOWN), ids=lambda leaf: leaf.__name__)
def test_every_leaf_has_a_status_and_a_detail_on_v2(leaf: type[Refusal]) -> None:
    answer = refusals.spell(made(leaf))
    detail = json.loads(answer.body)["detail"]
    assert answer.status_code == refusals.spelling(leaf)[0]
    assert detail
    assert isinstance(detail, list) is (answer.status_code == 422)
    assert "private" not in answer.body.decode()
    assert (answer.status_code == 409) is (leaf is refusals.NameTaken), "409 is repeated by the SDKs (C7)"


@pytest.mark.parametrize("leaf", leaves(FORMS), ids=lambda leaf: leaf.__name__)
def test_every_leaf_has_a_shape_at_the_token_endpoint(leaf: type[Refusal]) -> None:
    refusal = made(leaf)
    answer = token_refusals.spell_token(refusal)
    body = json.loads(answer.body)
    ends_something = isinstance(refusal, errors.ProofRefused | errors.RefreshRefused | errors.UserBanned)
    assert isinstance(body["detail"], dict) is ends_something
    if not isinstance(refusal, grants.FormRefused):
        assert "private" not in answer.body.decode()


@pytest.mark.parametrize("table", [refusals.SPELLING, token_refusals.SPELLING], ids=["v2", "token"])
def test_nothing_in_a_table_is_unreachable(table: dict[type[Refusal], object]) -> None:
    kinds = FORMS if table is token_refusals.SPELLING else KNOWN
    used = {next(kind for kind in one.__mro__ if kind in table) for one in kinds if one is not Refusal}
    assert used == set(table)


@pytest.mark.parametrize("cause", Cause)
def test_a_cause_wipes_the_phone_only_where_the_user_is_gone(cause: Cause) -> None:
    gone = {Cause.USER_DELETED, Cause.BANNED, Cause.TEAM_GONE}
    expected = "invalid_token" if cause in gone else "reauthentication_required"
    assert token_refusals.spelling(errors.SessionEnded(cause)).error_type == expected


def test_a_fault_of_ours_is_terminal_nowhere() -> None:
    for fault in (Fault("x"), errors.Unavailable("x"), errors.TooManyRequests(1)):
        assert token_refusals.spelling(fault).error_type is None
        assert refusals.spelling(type(fault))[0] >= 429

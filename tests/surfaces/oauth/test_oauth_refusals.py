"""Both tables of this surface, and the Firebase-compatible one, cover every way that the server says no."""

from __future__ import annotations

import json

import pytest
from fastapi import Response

import gatepass.main
from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.grants import FormRefused
from gatepass.surfaces import identity_toolkit, oauth
from gatepass.surfaces.identity_toolkit import refusals as firebase
from gatepass.surfaces.oauth import refusals
from gatepass.wiring import Fault, MethodNotAllowed


def family(kind: type[Refusal]) -> list[type[Refusal]]:
    """*kind* and everything below it."""
    return [kind, *(below for child in kind.__subclasses__() for below in family(child))]


SHARED = ("gatepass.core", "gatepass.wiring", "gatepass.grants")


def reaching(surface: str) -> list[type[Refusal]]:
    """The leaves that can reach a surface: everybody's and its own, not those of its siblings."""
    kinds = [kind for kind in family(Refusal) if kind.__module__.startswith((*SHARED, f"gatepass.surfaces.{surface}"))]
    return [kind for kind in kinds if not any(child in kinds for child in kind.__subclasses__())]


def test_the_tree_was_found() -> None:
    assert gatepass.main
    assert {errors.TokenReused, refusals.NoToken, Fault} <= set(reaching("oauth"))


@pytest.mark.parametrize("kind", reaching("oauth"), ids=lambda kind: kind.__name__)
def test_every_leaf_has_a_word_at_both_kinds_of_places(kind: type[Refusal]) -> None:
    for table in (refusals.SPELLING, refusals.AT_RESOURCE):
        status, error, description = refusals.spelling(kind, table)
        assert 400 <= status <= 503
        assert error.replace("_", "").isalpha()
        assert description.endswith(".")


@pytest.mark.parametrize("kind", reaching("identity_toolkit"), ids=lambda kind: kind.__name__)
def test_every_leaf_has_a_message_for_firebase(kind: type[Refusal]) -> None:
    status, message, word = firebase.spelling(kind)
    assert 400 <= status <= 503
    assert message == message.upper()
    assert word == word.upper()


NOT_TERMINAL = [
    Fault("private"),
    errors.Unavailable("private"),
    errors.TooManyRequests(7, "private"),
    errors.DpopRefused("private"),
    errors.NotFound("private"),
    FormRefused("said aloud"),
]


@pytest.mark.parametrize("refusal", NOT_TERMINAL, ids=lambda refusal: type(refusal).__name__)
def test_what_is_no_verdict_on_the_session_never_ends_it(refusal: Refusal) -> None:
    assert json.loads(oauth.spell(refusal).body)["error"] != "invalid_grant"
    message = json.loads(identity_toolkit.spell(refusal).body)["error"]["message"]
    assert message not in {"TOKEN_EXPIRED", "USER_DISABLED", "USER_NOT_FOUND", "INVALID_CUSTOM_TOKEN"}


@pytest.mark.parametrize("spell", [oauth.spell, oauth.spell_at_resource, identity_toolkit.spell])
def test_headers_and_private_halves(spell: object) -> None:
    def answer(refusal: Refusal) -> Response:
        spelled: Response = spell(refusal)  # type: ignore[operator]
        assert spelled.headers["cache-control"] == "no-store"
        assert b"private" not in spelled.body
        return spelled

    assert answer(errors.TooManyRequests(7, "private")).headers["retry-after"] == "7"
    assert answer(errors.Unavailable("private")).headers["retry-after"] == "1"
    assert answer(MethodNotAllowed("POST")).headers["allow"] == "POST"
    for refusal in (errors.CodeWrong("private"), errors.SessionEnded("reuse"), errors.UserBanned("private")):
        assert "retry-after" not in answer(refusal).headers

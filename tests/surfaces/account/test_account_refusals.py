"""The table that spells refusals on My Account covers the whole tree, and repeats nothing."""

from __future__ import annotations

import pytest

import gatepass.main  # noqa: F401  (whatever refuses is imported)
from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.pages.site import ForeignForm
from gatepass.surfaces.account.access import SignInNeeded
from gatepass.surfaces.account.refusals import SPELLING, spell
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge
from harness import Server


def family(kind: type[Refusal]) -> list[type[Refusal]]:
    """*kind* and everything below it."""
    return [kind, *(below for child in kind.__subclasses__() for below in family(child))]


OURS = ("gatepass.core.errors", "gatepass.wiring", ForeignForm.__module__, SignInNeeded.__module__)
SHARED = [kind for kind in family(Refusal) if kind.__module__ in OURS]
LEAVES = [kind for kind in SHARED if not any(child in SHARED for child in kind.__subclasses__())]


def nearest(leaf: type[Refusal]) -> type[Refusal] | None:
    return next((kind for kind in leaf.__mro__ if kind in SPELLING), None)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_leaf_is_spelled(leaf: type[Refusal]) -> None:
    assert nearest(leaf) is not None


def test_nothing_in_the_table_is_unreachable() -> None:
    assert {nearest(leaf) for leaf in LEAVES} == set(SPELLING)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (errors.CodeWrong("private"), 400),
        (errors.NotFound("private"), 404),
        (MethodNotAllowed("GET"), 405),
        (PayloadTooLarge("private"), 413),
        (errors.TooManyRequests(7, "private"), 429),
        (Fault("private"), 500),
        (errors.Unavailable("private"), 503),
        (ForeignForm("private"), 403),
        (errors.UserBanned("a <reason>"), 403),
    ],
    ids=lambda given: type(given).__name__,
)
def test_a_refusal_is_a_page_without_its_private_half(refusal: Refusal, status: int) -> None:
    answer = spell(refusal)
    assert answer.status_code == status
    text = bytes(answer.body).decode()
    assert "private" not in text
    assert "<reason>" not in text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_part_that_wants_a_sign_in_sends_the_whole_page_there() -> None:
    assert spell(SignInNeeded("/account", partial=True)).headers["hx-redirect"] == "/account"
    assert spell(SignInNeeded("/account", partial=False)).headers["location"] == "/account"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/account/nowhere/at/all", 404),
        ("DELETE", "/account", 405),
        ("PUT", "/account/security", 405),
        ("GET", "/account/security/", 303),
        ("POST", "/account/devices/sign-out-others", 303),
    ],
)
async def test_what_is_not_served_is_a_page_too(sqlite_server: Server, method: str, path: str, status: int) -> None:
    answer = await sqlite_server.client.request(method, path)
    assert answer.status_code == status
    if status != 303:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_form_too_long_is_refused_before_it_is_read(sqlite_server: Server) -> None:
    from visitor import set_team

    await set_team(sqlite_server, account_pages=True)
    answer = await sqlite_server.client.post(f"/account/{sqlite_server.team.id}", content=b"x" * 70_000)
    assert answer.status_code == 413
    assert "Too much at once" in answer.text

"""Addresses: what identifies an account, what budgets count, and what is no address at all."""

from __future__ import annotations

import pytest

from gatepass.core.addresses import Address
from gatepass.core.errors import InputRefused


@pytest.mark.parametrize(
    ("typed", "identity"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada.Lovelace@EXAMPLE.com\r\n", "ada.lovelace@example.com"),
        ("ada+news@example.com", "ada+news@example.com"),
        ("a@b.co", "a@b.co"),
        ("o'neil!#$%&*/=?^_`{|}~-@example.com", "o'neil!#$%&*/=?^_`{|}~-@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.Example", "ada@xn--bcher-kva.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
    ],
)
def test_an_account_is_known_by_its_lower_case_ascii_form(typed: str, identity: str) -> None:
    assert Address.parse(typed).identity == identity


def test_mail_goes_to_the_address_as_typed() -> None:
    assert Address.parse(" Ada.L@Example.COM ").typed == "Ada.L@Example.COM"
    assert Address.parse("Ada@Bücher.example").typed == "Ada@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "typed", ["ada@example.com", "a.d.a+x@example.com", "A.da+y+z@EXAMPLE.com", "ada+@example.com"]
)
def test_budgets_count_one_mailbox_under_all_its_tags_and_dots(typed: str) -> None:
    assert Address.parse(typed).counted == "ada@example.com"


def test_tags_and_dots_stay_part_of_the_identity() -> None:
    assert len({Address.parse(text).identity for text in ("ada@x.io", "a.da@x.io", "ada+1@x.io")}) == 3


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "a@",
        "@x.io",
        "ada",
        "ada.x.io",
        "ada@localhost",
        "Bob <bob@x.io>",
        "<bob@x.io>",
        '"bob"@x.io',
        "bob@x.io, eve@x.io",
        "bob@x.io;eve@x.io",
        "bob@@x.io",
        "bob@eve@x.io",
        "bob @x.io",
        "bob@ x.io",
        "bob@x.io\nBcc: eve@x.io",
        "bob\0@x.io",
        "bob\x7f@x.io",
        "bob@x\0.io",
        "bob\u200b@x.io",
        "bob\ud800@x.io",
        "bob@x\ud800.io",
        "\u212aim@x.io",
        "bob@\u212a.io",
        "bob@\u212aü.io",
        "bób@x.io",
        ".bob@x.io",
        "bob.@x.io",
        "b..b@x.io",
        "bob@x..io",
        "bob@.x.io",
        "bob@x.io.",
        "bob@-x.io",
        "bob@x-.io",
        "bob@x_y.io",
        "bob@x.1",
        "bob@127.0.0.1",
        "bob@[127.0.0.1]",
        "bob@" + "x" * 64 + ".io",
        "x" * 65 + "@x.io",
        "x" * 64 + "@" + "y." * 94 + "iox",
        "a" * 1_000_000,
        "a@" + "é" * 1_000,
    ],
)
def test_anything_else_is_refused_as_the_email_and_never_echoed(typed: str) -> None:
    with pytest.raises(InputRefused) as refusal:
        Address.parse(typed)
    assert refusal.value.field == "email"
    assert not typed.strip() or typed not in str(refusal.value)


def test_254_characters_are_the_most() -> None:
    local, tail = "x" * 64, "y." * 93
    assert len(f"{local}@{tail}iox") == 254
    assert Address.parse(f"{local}@{tail}iox").identity.endswith(".iox")
    with pytest.raises(InputRefused):
        Address.parse(f"{local}@{tail}ioxy")


def test_the_ascii_form_must_fit_too() -> None:
    """62 two-letter labels of umlauts fit as typed and triple in length as ASCII."""
    with pytest.raises(InputRefused):
        Address.parse("a@" + "üü." * 62 + "example")


def test_a_domain_without_a_dot_is_for_development_only() -> None:
    assert Address.parse("ada@localhost", dotless=True).identity == "ada@localhost"


def test_what_was_typed_reads_as_the_same_address_again() -> None:
    for typed in (" Ada+x@Example.com ", "ada@bücher.example"):
        address = Address.parse(typed)
        assert Address.parse(address.typed) == address

"""Chance: ids in the order of time, digits all equally likely, and a seed that repeats it all."""

from __future__ import annotations

import random
from collections import Counter

from gatepass.core.mint import ALPHANUMERIC, Mint

NOW = 1_790_000_000_250


def test_time_ordered_ids_are_what_rfc_9562_says() -> None:
    made = Mint().uuid7(NOW)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == NOW


def test_later_ids_sort_after_earlier_ones() -> None:
    mint = Mint()
    made = [mint.uuid7(NOW + tick) for tick in range(100)]
    assert made == sorted(made)
    assert [str(one) for one in made] == sorted(str(one) for one in made)


def test_ids_of_one_instant_keep_their_order_and_never_repeat() -> None:
    """Events of one transaction share its instant, and are told in order."""
    mint = Mint()
    made = [mint.uuid7(NOW) for _ in range(4096)]
    assert made == sorted(made)
    beyond = [mint.uuid7(NOW) for _ in range(1000)]
    assert len({*made, *beyond}) == 5096


def test_random_ids_are_random_ids() -> None:
    mint = Mint()
    assert {mint.uuid4().version for _ in range(100)} == {4}
    assert len({mint.uuid4() for _ in range(1000)}) == 1000


def test_every_code_is_equally_likely_and_keeps_its_leading_zeros() -> None:
    mint = Mint(random.Random(1))
    made = [mint.digits(2) for _ in range(20_000)]
    assert {len(code) for code in made} == {2}
    counts = Counter(made)
    assert len(counts) == 100
    chi_squared = sum((count - 200) ** 2 / 200 for count in counts.values())
    assert chi_squared < 149, "99 degrees of freedom: more than 149 happens once in a thousand draws"


def test_codes_are_ascii_digits_of_any_length() -> None:
    mint = Mint()
    for length in range(5, 11):
        code = mint.digits(length)
        assert len(code) == length
        assert code.isascii()
        assert code.isdigit()


def test_keys_use_the_whole_alphabet() -> None:
    text = Mint().alphanumeric(5000)
    assert len(text) == 5000
    assert set(text) == set(ALPHANUMERIC)


def test_a_fraction_is_below_one() -> None:
    mint = Mint()
    assert all(0 <= mint.fraction() < 1 for _ in range(1000))


def test_a_seeded_mint_repeats_itself() -> None:
    def draw(mint: Mint) -> list[object]:
        return [mint.uuid4(), mint.uuid7(NOW), mint.digits(6), mint.bytes(32), mint.alphanumeric(40), mint.fraction()]

    assert draw(Mint(random.Random(7))) == draw(Mint(random.Random(7)))
    assert draw(Mint(random.Random(7))) != draw(Mint(random.Random(8)))

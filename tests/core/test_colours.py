"""Whatever colour a team chooses, its pages can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.core import colours
from gatepass.core.errors import InputRefused

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(COLOURS)
def test_every_colour_becomes_shades_that_can_be_read(colour: str) -> None:
    for shades, ground in ((colours.by_day(colour), colours.DAY), (colours.by_night(colour), colours.NIGHT)):
        assert colours.contrast(shades.text, ground) >= colours.READABLE
        assert colours.contrast(shades.on_fill, shades.fill) >= colours.READABLE
        assert colours.contrast(shades.on_fill, shades.strong) >= colours.contrast(shades.on_fill, shades.fill)


def test_a_colour_that_can_be_read_is_left_as_it_is() -> None:
    assert colours.by_day("#0a6b57").text == "#0a6b57"
    assert colours.by_day("#0a6b57").fill == "#0a6b57"
    assert colours.by_night("#8fd3c3").text == "#8fd3c3"


def test_contrast_is_that_of_wcag() -> None:
    assert colours.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colours.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert colours.contrast("#ffffff", "#777777") == colours.contrast("#777777", "#ffffff")


@pytest.mark.parametrize(("typed", "stored"), [("#1A7F4B", "#1a7f4b"), (" #fa0 ", "#ffaa00"), ("#000000", "#000000")])
def test_a_colour_is_read_as_people_write_it(typed: str, stored: str) -> None:
    assert colours.parse(typed) == stored


@pytest.mark.parametrize(
    "typed",
    ["", "red", "1a7f4b", "#1a7f4", "#1a7f4bff", "#ggg", "#１２３", "#1a7f4b;}body{", "url(#fff)", "#fff\n}", "#fff\0"],
)
def test_what_is_no_colour_is_refused(typed: str) -> None:
    with pytest.raises(InputRefused):
        colours.parse(typed)

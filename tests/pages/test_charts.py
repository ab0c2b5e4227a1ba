"""What plots draw and say."""

from __future__ import annotations

import pytest

from gatepass.core.schema import DAY
from gatepass.pages.charts import Plot, Series, number

START = 1_789_948_800_000  # 2026-09-21


def plot(*series: list[float | None], unit: str = "") -> Plot:
    labels = ("Code", "QR", "Token")
    days = [START + day * DAY for day in range(len(series[0]))]
    return Plot("p", "P", days, [Series(label, row) for label, row in zip(labels, series, strict=False)], unit)


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (5, 10), (11, 20), (21, 40), (41, 100), (100_001, 200_000)]
)
def test_the_scale_ends_where_its_half_is_a_whole_number_too(highest: int, top: int) -> None:
    assert plot([0, highest]).top == top


def test_bars_stand_on_each_other_and_fill_the_box_at_the_top() -> None:
    ((_, bars), (_, none)) = plot([6, 0], [4, 0]).bars
    assert [(bar.series, bar.y, bar.height) for bar in bars] == [(1, 40, 60), (2, 0, 40)]
    assert none == []
    assert bars[0].x + bars[0].width <= 50


def test_a_line_breaks_where_a_day_says_nothing() -> None:
    ((_, path),) = plot([100, 50, None, 0], unit="%").lines
    assert path == "M12.5 0.0h0L37.5 50.0M87.5 100.0h0"


def test_the_words_tell_the_totals_and_the_busiest_day() -> None:
    said = plot([1, 5, 0], [0, 2, 1]).description
    assert said == "21 Sep to 23 Sep. In all: Code 6, QR 3. Most on 22 Sep: Code 5, QR 2."
    assert plot([0, 0]).description == "Nothing happened in this time."
    assert plot([0, 0]).is_empty


def test_numbers_are_whole_and_in_groups() -> None:
    assert number(1234567.4) == "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"
    assert (number(99.6, "%"), number(None)) == ("100%", "–")

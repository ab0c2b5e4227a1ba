"""Plots, worked out on the server: bars that stand on each other, or lines, one step per day.

Only the marks are in the SVG, in a box of 100 by 100 that is stretched to whatever room there is; the words around them
are text of the page and keep their size. `chart.html` draws it, with the numbers in a table under it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GAP = 0.18
"""Of a day's width, left free between bars."""


@dataclass(frozen=True)
class Series:
    """One row of numbers, a day each; None where there is nothing to say."""

    label: str
    values: Sequence[float | None]

    @property
    def total(self) -> float:
        return sum(value or 0 for value in self.values)


@dataclass(frozen=True)
class Bar:
    """One rectangle in the box; *series* counts from 1."""

    series: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Plot:
    """Numbers of consecutive *days* (epoch ms of each one's start, UTC). *name* is its id on the page.

    A plot with a *unit* of `%` is of lines from 0 to 100, and its series have no total. *beside*: more columns of the
    table, which are not drawn.
    """

    name: str
    title: str
    days: Sequence[int]
    series: Sequence[Series]
    unit: str = ""
    beside: Sequence[Series] = ()

    @property
    def columns(self) -> Sequence[Series]:
        """Of the table."""
        return [*self.beside, *self.series]

    def cell(self, series: Series, day: int) -> str:
        """One number of the table."""
        return number(series.values[day], self.unit if series in self.series else "")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return all(value in (0, None) for series in self.series for value in series.values)

    @cached_property
    def top(self) -> int:
        """Where the scale ends: 2, 4 or 10 times a power of ten, so that its half is a whole number, too."""
        if self.unit == "%":
            return 100
        highest = max((sum(row[1:]) for row in self._stacks()), default=0)
        step, power = 2, 1
        while step * power < highest:
            step, power = (4, power) if step == 2 else (10, power) if step == 4 else (2, power * 10)
        return step * power

    def _stacks(self) -> list[list[float]]:
        return [[0.0, *(series.values[day] or 0 for series in self.series)] for day in range(len(self.days))]

    @property
    def bars(self) -> list[tuple[str, list[Bar]]]:
        """Each day's words, and its bars from the ground up."""
        step = 100 / max(len(self.days), 1)
        drawn = []
        for day, (_, *values) in enumerate(self._stacks()):
            ground, bars = 100.0, []
            for number, value in enumerate(values, 1):
                if value:
                    height = 100 * value / self.top
                    ground -= height
                    bars.append(Bar(number, *_rounded(step * (day + _GAP / 2), ground, step * (1 - _GAP), height)))
            drawn.append((self.words_of(day), bars))
        return drawn

    @property
    def lines(self) -> list[tuple[int, str]]:
        """Of each series its number and the path of its line, broken where a day says nothing; a lone day is a dot."""
        step = 100 / max(len(self.days), 1)
        paths = []
        for number, series in enumerate(self.series, 1):
            path, down = "", False
            for day, value in enumerate(series.values):
                if value is None:
                    down = False
                    continue
                x, y = _rounded(step * (day + 0.5), 100 - 100 * value / self.top)
                path += f"L{x} {y}" if down else f"M{x} {y}h0"
                down = True
            paths.append((number, path))
        return paths

    @property
    def slots(self) -> list[tuple[str, float, float]]:
        """Each day's words, and the strip of the box that is its own: for pointing at."""
        step = 100 / max(len(self.days), 1)
        return [(self.words_of(day), round(step * day, 3), round(step, 3)) for day in range(len(self.days))]

    def words_of(self, day: int) -> str:
        """`21 Sep: E-mailed code 3, QR code 1`."""
        said = [
            f"{series.label} {self.number(value)}"
            for series in self.series
            if (value := series.values[day]) is not None
        ]
        return f"{day_name(self.days[day])}: {', '.join(said) or 'nothing'}"

    @property
    def description(self) -> str:
        """The plot in words, for who does not see it."""
        if self.is_empty or not self.days:
            return "Nothing happened in this time."
        span = f"{day_name(self.days[0])} to {day_name(self.days[-1])}"
        if self.unit:
            return f"{span}, a line for each of: {', '.join(series.label for series in self.series)}."
        sums = [sum(row) for row in self._stacks()]
        busiest = max(range(len(sums)), key=sums.__getitem__)
        totals = ", ".join(f"{series.label} {self.number(series.total)}" for series in self.series)
        return f"{span}. In all: {totals}. Most on {self.words_of(busiest)}."

    def number(self, value: float | None) -> str:
        """One of the numbers drawn, as people read it."""
        return number(value, self.unit)


def number(value: float | None, unit: str = "") -> str:
    """*value* as people read it: whole, in groups of three; a dash for none."""
    return "–" if value is None else f"{value:,.0f}{unit}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _rounded(*numbers: float) -> tuple[float, ...]:
    return tuple(round(number, 3) for number in numbers)


def day_name(day: int) -> str:
    """`21 Sep`, of the day that begins at *day* (epoch ms)."""
    moment = _EPOCH + timedelta(milliseconds=day)
    return f"{moment.day} {moment:%b}"


def iso_day(day: int) -> str:
    """`2026-09-21`."""
    return (_EPOCH + timedelta(milliseconds=day)).date().isoformat()

"""What was measured, written down: JSON as it came, a table of medians, a plot, and the same inside the documentation."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True)
class Visit:
    """One contestant, loaded once."""

    mode: str
    contestant: str
    connections: int
    round: int
    rate: float
    """Good answers per second."""
    p50_ms: float | None
    p99_ms: float | None
    answered: int
    failed: int
    seconds: float
    app_us: float
    """CPU of the server's processes per good answer."""
    database_us: float | None
    resident_before: int
    resident_after: int
    complaint: str
    notes: dict[str, int]

    def __str__(self) -> str:
        latency = f"p50 {self.p50_ms:.2f} p99 {self.p99_ms:.2f} ms" if self.p50_ms is not None else ""
        wrong = f"  {self.failed} ERRORS ({self.complaint})" if self.failed else ""
        return f"{self.contestant:28} {self.connections:3} connections {self.rate:9.0f}/s  {latency}{wrong}"


@dataclass(frozen=True)
class Line:
    """One contestant's medians over the rounds."""

    contestant: str
    rate: float
    ratio: float | None
    """To the yardstick, visited in the same round."""
    p50_ms: float | None
    p99_ms: float | None
    failed: int
    app_us: float
    database_us: float | None
    resident_before: float
    resident_after: float
    notes: dict[str, int]


@dataclass
class Result:
    """A whole run."""

    about: dict[str, str]
    visits: list[Visit]
    failures: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Result:
        """What `write` wrote as JSON."""
        whole = json.loads(path.read_text())
        return cls(whole["about"], [Visit(**visit) for visit in whole["visits"]], whole["failures"])

    def onto(self, earlier: Result) -> Result:
        """This run together with what of an *earlier* one it did not measure again."""
        from modes import MODES

        now = {(visit.mode, visit.connections) for visit in self.visits}
        visits = [visit for visit in earlier.visits if (visit.mode, visit.connections) not in now] + self.visits
        order = [mode.name for mode in MODES]
        since = earlier.about["measured"].partition(" to ")[0]
        return Result(
            {**self.about, "measured": f"{since} to {self.about['measured']}"},
            sorted(visits, key=lambda visit: order.index(visit.mode)),
            {**earlier.failures, **self.failures},
        )

    def tables(self) -> dict[tuple[str, int], list[Line]]:
        """Lines by mode and number of connections, in the order of measuring."""
        grouped: dict[tuple[str, int], dict[str, list[Visit]]] = {}
        for visit in self.visits:
            grouped.setdefault((visit.mode, visit.connections), {}).setdefault(visit.contestant, []).append(visit)
        return {key: [_line(key[0], visits, group) for visits in group.values()] for key, group in grouped.items()}

    def markdown(self) -> str:
        """Every table, and under what circumstances."""
        out = [f"Measured {self.about['measured']} at commit `{self.about['commit']}`: {self.about['settings']}.", ""]
        named = ("cpu", "memory", "kernel", "filesystem", "python", "postgresql", "node", "wrk")
        out += ["; ".join(f"{name} {self.about[name]}" for name in named) + ".", ""]
        for (mode, connections), lines in self.tables().items():
            out += [
                f"### {_title(mode)}: {connections} connection{'s' if connections > 1 else ''}",
                "",
                *_table(mode, lines),
            ]
            out.append("")
        out += [f"Left out: {name} ({reason.splitlines()[0]})" for name, reason in self.failures.items()]
        return "\n".join(out)

    def svg(self) -> str:
        """Bars of requests per second, one block per mode, at the most connections measured."""
        tables = self.tables()
        widest = max(connections for _, connections in tables)
        return plot({_title(mode): lines for (mode, connections), lines in tables.items() if connections == widest})

    def write(self, directory: Path) -> list[Path]:
        """JSON, table and plot, named by the time of measuring."""
        directory.mkdir(parents=True, exist_ok=True)
        stem = directory / self.about["measured"].rpartition(" to ")[2].replace(" UTC", "").replace(" ", "T").replace(
            ":", ""
        )
        whole = {"about": self.about, "failures": self.failures, "visits": [asdict(visit) for visit in self.visits]}
        contents = {".json": json.dumps(whole, indent=1), ".md": self.markdown(), ".svg": self.svg()}
        for suffix, text in contents.items():
            stem.with_suffix(suffix).write_text(text + "\n")
        return [stem.with_suffix(suffix) for suffix in contents]

    def write_docs(self, docs: Path) -> None:
        """Replace the results in performance.md, and the plot beside it."""
        (docs / "performance.svg").write_text(self.svg() + "\n")
        insert(docs / "performance.md", "run", f"![Requests per second](performance.svg)\n\n{self.markdown()}")


def insert(page: Path, name: str, text: str) -> None:
    """Put *text* between the page's `<!-- name -->` and `<!-- /name -->`."""
    before, _, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, _, after = rest.partition(f"<!-- /{name} -->")
    assert after, f"{page} has no place called {name}"
    page.write_text(f"{before}<!-- {name} -->\n{text.strip()}\n<!-- /{name} -->{after}")


def _title(mode: str) -> str:
    from modes import MODES

    return next(known.title for known in MODES if known.name == mode)


def _yardstick(mode: str) -> str:
    from modes import MODES

    return next(known.yardstick for known in MODES if known.name == mode)


def _line(mode: str, visits: list[Visit], group: dict[str, list[Visit]]) -> Line:
    yardstick = {visit.round: visit.rate for visit in group.get(_yardstick(mode), [])}
    ratios = [visit.rate / yardstick[visit.round] for visit in visits if yardstick.get(visit.round)]
    return Line(
        contestant=visits[0].contestant,
        rate=statistics.median(visit.rate for visit in visits),
        ratio=statistics.median(ratios) if ratios else None,
        p50_ms=_median(visit.p50_ms for visit in visits),
        p99_ms=_median(visit.p99_ms for visit in visits),
        failed=sum(visit.failed for visit in visits),
        app_us=statistics.median(visit.app_us for visit in visits),
        database_us=_median(visit.database_us for visit in visits),
        resident_before=visits[0].resident_before / MIB,
        resident_after=visits[-1].resident_after / MIB,
        notes=visits[-1].notes,
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _table(mode: str, lines: list[Line]) -> list[str]:
    out = [
        f"| | per second | of {_yardstick(mode)} | p50 ms | p99 ms | errors "
        "| CPU µs app | CPU µs database | MiB before, after |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for line in lines:
        extra = "".join(f", {name.replace('_', ' ')} {count}" for name, count in line.notes.items())
        cells = [
            f"{line.contestant}{extra}",
            f"{line.rate:.0f}",
            _number(line.ratio, 2),
            _number(line.p50_ms, 2),
            _number(line.p99_ms, 2),
            str(line.failed),
            f"{line.app_us:.0f}",
            _number(line.database_us, 0),
            f"{line.resident_before:.0f}, {line.resident_after:.0f}" if line.resident_after else "–",
        ]
        out.append(f"| {' | '.join(cells)} |")
    return out


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


BAR, GAP, LEFT, WIDTH, BLOCK = 20, 6, 210, 860, 44


def plot(blocks: dict[str, list[Line]]) -> str:
    """Horizontal bars by hand; each block has a scale of its own. Readable on light and on dark pages."""
    body, y = [], 0
    for title, lines in blocks.items():
        longest = max(line.rate for line in lines) or 1
        body.append(f'<text class="t" x="8" y="{y + 26}">{escape(title)}</text>')
        y += BLOCK
        for line in lines:
            width = (WIDTH - LEFT - 150) * line.rate / longest
            kind = "ours" if line.contestant.startswith(("gatepass", "one-", "two-")) else "others"
            label = f"{line.rate:,.0f}/s" + (f" · {line.ratio:.2f}" if line.ratio is not None else "")
            body.append(
                f'<text class="n" x="{LEFT - 10}" y="{y + 15}">{escape(line.contestant)}</text>'
                f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3"/>'
                f'<text class="v" x="{LEFT + width + 8:.1f}" y="{y + 15}">{label}</text>'
            )
            y += BAR + GAP
    style = (
        "text{font:13px system-ui,sans-serif;fill:#1c2330}.t{font-weight:600}.n{text-anchor:end}.v{fill:#5b6577}"
        ".ours{fill:#2f6fdb}.others{fill:#a8b2c1}"
        "@media(prefers-color-scheme:dark){text{fill:#e4e8ef}.v{fill:#9aa5b8}.others{fill:#5b6577}.ours{fill:#6ea0ff}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 12}" width="{WIDTH}" height="{y + 12}" '
        f'role="img" aria-label="Requests per second, and the ratio to each block\'s yardstick">'
        f"<style>{style}</style>{''.join(body)}</svg>"
    )

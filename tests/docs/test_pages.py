"""What the pages point at is there, and what the code cites is on the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "app" / "gatepass"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ROW = r"[A-Z]{1,2}\d+"


def anchors(page: Path) -> set[str]:
    """What can stand after `#` in a link to *page*: its headings, as they are made into addresses."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        if "://" in target:
            continue
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """`core/rotation.py` is meant below the package, `tests/harness.py` below the repository."""
    for named in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|md|toml|txt|html))`", page.read_text()):
        assert any((base / named).exists() for base in (PACKAGE, ROOT, page.parent)), named


def test_every_name_in_the_walk_through_one_request_is_in_the_code() -> None:
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    walk = (ROOT / "docs" / "one-request.md").read_text()
    names = {part for quoted in re.findall(r"`([A-Za-z_][\w.]+)`", walk) for part in quoted.split(".")} - {"py"}

    assert len(names) > 20
    assert {name for name in names if not re.search(rf"\b{name}\b", source)} == set()


def rows_of(contract: str) -> set[str]:
    """Every row a contract has: the first cell of its tables."""
    return set(re.findall(rf"^\| \*?\*?({ROW})\b", (ROOT / "docs/contracts" / contract).read_text(), re.M))


def sections_of(contract: str) -> set[str]:
    text = (ROOT / "docs/contracts" / contract).read_text()
    return set(re.findall(r"^#+ (\d+(?:\.\d+)?)\b", text, re.M))


@pytest.mark.parametrize("dialect", ["elixir", "junction"])
def test_what_docstrings_cite_stands_in_the_contract(dialect: str) -> None:
    rows, sections = rows_of(f"{dialect}.md"), sections_of(f"{dialect}.md")
    cited = 0
    for path in PACKAGE.rglob("*.py"):
        text = " ".join(path.read_text().split())
        for citation in re.findall(rf"contract {dialect}, ([^)\".:;]*)", text):
            for row in re.findall(rf"\b{ROW}\b", citation):
                assert row in rows, f"{path.relative_to(ROOT)} cites {dialect} {row}"
                cited += 1
            for section in re.findall(r"sections? (\d+(?:\.\d+)?)", citation):
                assert section in sections, f"{path.relative_to(ROOT)} cites {dialect} section {section}"
                cited += 1
    assert cited, "a pattern that finds nothing proves nothing"


def test_decisions_are_numbered_without_a_gap_and_have_their_three_parts() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {page.name[:4]}. "), page.name
        headings = re.findall(r"^## (\w+)", text, re.M)
        assert headings == ["Context", "Decision", "Consequences"], page.name

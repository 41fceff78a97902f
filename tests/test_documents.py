"""What documents promise of themselves: their links lead somewhere, they name files that exist, and they stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoprompt_search.metrics import METRICS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SHORT = {"README.md": 1500, "ARCHITECTURE.md": 1500}
CELL = 60
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
_MODULE = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.py)`")


def cells(text: str) -> list[str]:
    return [cell for line in text.splitlines() if line.startswith("|") for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    links = [link for link in _LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_named_as_they_are(document: Path) -> None:
    named = _MODULE.findall(document.read_text(encoding="utf-8"))
    assert [
        name for name in named if not any((root / name).exists() for root in (ROOT, ROOT / "autoprompt_search"))
    ] == []


@pytest.mark.parametrize(("name", "words"), SHORT.items())
def test_first_pages_are_short(name: str, words: int) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").split()) < words


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_cells_of_tables_can_be_read(document: Path) -> None:
    long = [cell for cell in cells(document.read_text(encoding="utf-8")) if len(cell.split()) >= CELL]
    assert long == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"]
    assert [page for page in pages if f"({page})" not in index] == []


def test_every_metric_is_in_the_page_of_spaces() -> None:
    page = (ROOT / "docs/spaces.md").read_text(encoding="utf-8")
    averaged = {f"{way}_{name}" for way in ("macro", "micro", "weighted") for name in ("f1", "precision", "recall")}
    assert [name for name in METRICS.names() if f"`{name}`" not in page and name not in averaged] == []

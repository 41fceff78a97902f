"""The sealed test split: every look at it is on record."""

from __future__ import annotations

from pathlib import Path

from autoprompt_search.confirm import Seal
from autoprompt_search.core.types import Example

TEST = [Example(str(n), {"text": f"text {n}"}, "good") for n in range(3)]


def test_another_choice_is_another_opening_and_the_same_one_is_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    counts = []
    for choice in ("a", "a", "b", "a", "c"):
        opened = Seal(TEST, log).open(choice)
        assert opened.examples == tuple(TEST)
        counts.append(opened.openings_before)
    assert counts == [0, 0, 1, 1, 2]


def test_other_examples_are_another_split(tmp_path: Path) -> None:
    log = tmp_path / "log"
    Seal(TEST, log).open("a")
    assert Seal(TEST[:2], log).open("b").openings_before == 0


def test_a_torn_or_foreign_line_hides_no_other(tmp_path: Path) -> None:
    log = tmp_path / "log"
    Seal(TEST, log).open("a")
    with log.open("a", encoding="utf-8") as file:
        file.write('[1]\n"text"\n{"test": 3}\n{"test": "torn')
    for before, choice in enumerate("bc", start=1):  # what comes behind the torn line can be read
        assert Seal(TEST, log).open(choice).openings_before == before

"""The sealed test split: every look at it is on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search.confirm import Seal
from autoprompt_search.core.errors import StateError
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


def test_a_line_that_cannot_be_read_was_an_opening_and_hides_no_other(tmp_path: Path) -> None:
    log = tmp_path / "log"
    Seal(TEST, log).open("a")
    with log.open("a", encoding="utf-8") as file:
        file.write('[1]\n"text"\n{"test": 3}\n{"test": "torn')
    for before, choice in enumerate("bc", start=4):  # the first, and three of which nobody knows whose they were
        assert Seal(TEST, log).open(choice).openings_before == before


def test_the_torn_line_of_this_very_choice_is_no_other_opening(tmp_path: Path) -> None:
    log = tmp_path / "log"
    Seal(TEST, log).open("a")
    log.write_bytes(log.read_bytes()[:-20])
    assert Seal(TEST, log).open("a").openings_before == 0
    assert Seal(TEST, log).open("b").openings_before == 1


def test_a_folder_in_the_logs_place_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(StateError, match=r"log is damaged .*directory"):
        Seal(TEST, tmp_path / "log").open("a")

from __future__ import annotations

from typing import Any

import pytest

from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.metrics import METRICS
from tests.metrics.said import said, score


def make(**options: Any) -> Any:
    return METRICS.build(ComponentSpec(type="numeric_equality", **options))


@pytest.mark.parametrize(
    ("prediction", "target", "value"),
    [
        ("$1,200.00", "1200", 1), ("5 and 3, so 8", "#### 8", 1), ("25", "5", 0), ("-5", "5", 0), ("3.5", "3", 0),
        ("1/2", "0.5", 1), ("0.1", "0.10", 1), ("none", "0", 0), ("0", "none", 0), ("50%", "50", 1),
    ],
)  # fmt: skip
def test_numbers_are_equal_however_written(prediction: str, target: str, value: float) -> None:
    assert score(make(), [said(prediction, target)]) == value


def test_one_of_several_references_is_enough() -> None:
    assert score(make(), [said("7", "8", "seven", "7.0")]) == 1


def test_a_tolerance_is_a_share_of_the_right_number() -> None:
    assert score(make(tolerance=0.01), [said("101", "100"), said("102", "100"), said("-99", "-100")]) == pytest.approx(
        2 / 3
    )

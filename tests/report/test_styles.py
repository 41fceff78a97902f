from __future__ import annotations

from typing import Any

import pytest

from autoprompt_search.core.measurements import Fidelity, Measurement, TrialRecord, TrialState
from autoprompt_search.report.styles import StyleRow, style_rows

CONFIG: dict[str, Any] = {"templates": {"a": {"style": "question"}, "b": {"style": "statement"}}}


def record(number: int, score: float, *, is_full: bool = True, **params: Any) -> TrialRecord:
    made = Measurement(score, 0.1, {}, Fidelity(8, is_full=is_full))
    return TrialRecord(number, params, TrialState.COMPLETE, (made,))


@pytest.mark.parametrize("by_name", [True, False])
def test_each_style_has_its_number_its_mean_and_its_best(by_name: bool) -> None:
    asked, told = ({"template": "a"}, {"template": "b"}) if by_name else ({"style": "question"}, {"style": "statement"})
    records = [record(0, 0.5, **asked), record(1, 0.7, **asked), record(2, 0.6, **told)]
    records.append(record(3, 1.0, is_full=False, **told))
    rows = style_rows(records, CONFIG)
    assert [(r.style, r.trials, r.best) for r in rows] == [("question", 2, 0.7), ("statement", 1, 0.6)]
    assert rows[0].mean == pytest.approx(0.6)


def test_one_style_is_no_news() -> None:
    assert style_rows([record(0, 0.5, template="a"), record(1, 0.7, template="a")], CONFIG) == ()
    assert style_rows([], CONFIG) == ()


def test_a_written_template_counts_for_the_one_it_descends_from() -> None:
    written = record(1, 0.9, **{"template": "new-1", "template.like": "b"})
    assert style_rows([record(0, 0.5, template="a"), written], CONFIG)[0] == StyleRow("statement", 1, 0.9, 0.9)

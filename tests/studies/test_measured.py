"""The record of a study: what pruners, probe and budget read of it."""

from __future__ import annotations

import numpy as np

from autoprompt_search.core.measurements import Cost
from autoprompt_search.core.objective import Limit, Objective
from autoprompt_search.studies.evidence import Evidence
from autoprompt_search.studies.measured import MeasuredTrials
from autoprompt_search.testing.factories import measurement


def evidence(examples: int) -> Evidence:
    return Evidence(np.ones((examples, 1)), np.ones(examples))


def test_a_rung_is_entered_once() -> None:
    record = MeasuredTrials()
    for number in (0, 1, 1):
        record.add(number, "text", measurement(0.5, 8, cost=Cost(8)))
    record.add(1, "text", measurement(0.75, 16, cost=Cost(9)))
    assert [m.cost.forward_passes for m in record.trials[1].rungs.values()] == [8, 9]
    last, first = record.last(1), record.at(1, 8)
    assert last is not None
    assert first is not None
    assert (last.score, first.score) == (0.75, 0.5)
    assert record.at(1, 24) is record.last(2) is None


def test_a_trial_that_breaks_a_limit_is_no_rival_and_still_known() -> None:
    record = MeasuredTrials(Objective(weight=0.01, limits=(Limit("prompt_tokens", 20.0),)))
    for number, tokens in enumerate([10.0, 30.0, 12.0]):
        made = measurement(0.5, 8, cost=Cost(8), prompt_tokens=tokens)
        record.add(number, "text", made, evidence(8))
    assert {n: round(m.score, 6) for n, m in record.rung("text", 8).items()} == {0: 0.4, 2: 0.38}
    assert set(record.rivals(0)) == {2}
    assert record.trials[1].evidence is not None, "the probe looks at it all the same"


def test_rivals_are_the_others_of_a_kind_that_have_got_as_far() -> None:
    record = MeasuredTrials()
    for number, (kind, examples) in enumerate([("text", 8), ("text", 16), ("soft", 16), ("text", 16)]):
        record.add(number, kind, measurement(0.5, examples), evidence(examples) if number < 3 else None)
    assert set(record.rivals(0)) == {1}
    assert record.rivals(1, 16) == {}
    assert set(record.rivals(3, 16)) == {1}
    assert record.evidence(0, 16) is record.evidence(3) is None

"""The choice on dev: the baseline unless the best one's lead is real, then the best or a cheaper one as good."""

from __future__ import annotations

import math

import pytest

from autoprompt_search.confirm import Shrinkage, choose, rank, shortlist
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.testing.factories import measurement

DEV = 100
NOISE = 0.1


def known(spread: float) -> Shrinkage:
    """A search of which is known by how much its prompts differ."""
    return Shrinkage({}, 0.5, {spread: 1.0}, NOISE)


WIDE = known(0.2)


def record(
    number: int, hits: int, *, tokens: float = 10.0, loss: float = 0.5, state: TrialState = TrialState.COMPLETE
) -> TrialRecord:
    last = measurement(hits / DEV, DEV, is_full=True, loss=loss, tokens=tokens)
    return TrialRecord(number, {}, state, (last,), error="why" if state is TrialState.FAILED else "")


def first(record: TrialRecord) -> list[bool]:
    """The better of two prompts is right wherever the other is: the steadiest pair there is."""
    hits = round(record.measurements[-1].score * DEV)
    return [i < hits for i in range(DEV)]


def chosen(*records: TrialRecord, tolerance: float = 0.01) -> tuple[int, set[int]]:
    """Among prompts that beat the baseline by far."""
    baseline, ranked = rank((record(0, 1, tokens=300), *records))
    found = choose(ranked, baseline, WIDE, first, tolerance=tolerance)
    return found.record.number, set(found.tied)


def test_of_prompts_as_good_the_cheapest_wins() -> None:
    """One example of 100 apart, which is what may be lost."""
    assert chosen(record(1, 80, tokens=200), record(2, 79, tokens=50), record(3, 79, tokens=90)) == (2, {1, 2, 3})


def test_a_difference_above_what_may_be_lost_is_worth_its_tokens() -> None:
    assert chosen(record(1, 80, tokens=200), record(2, 78, tokens=50))[0] == 1
    assert chosen(record(1, 80, tokens=200), record(2, 79, tokens=50), tolerance=0.002)[0] == 1
    assert chosen(record(1, 80, tokens=200), record(2, 80, tokens=50), tolerance=0.0)[0] == 2


def test_what_may_be_lost_is_what_is_left_of_a_difference_once_it_is_shrunk() -> None:
    """Four apart of 100, where prompts hardly differ: next to nothing of it is real."""
    baseline, ranked = rank((record(0, 20), record(1, 80, tokens=200), record(2, 76, tokens=50)))
    assert choose(ranked, baseline, known(0.2), first, tolerance=0.005).record.number == 1
    assert choose(ranked, baseline, known(0.01), first, tolerance=0.005).record.number == 2


@pytest.mark.parametrize("lost", range(6))
def test_the_border_of_a_tie_is_one_standard_error(lost: int) -> None:
    gap = lost / DEV
    error = math.sqrt(gap * (1 - gap) / (DEV - 1))
    _, tied = chosen(record(1, 80, tokens=200), record(2, 80 - lost, tokens=50))
    assert (2 in tied) == (gap <= error + 1e-9)


def test_noise_of_the_pair_decides_a_tie_and_not_that_of_each_score() -> None:
    """The same two scores: on the same examples a real difference, on others a tie."""
    good, poor = record(1, 80, tokens=200), record(2, 76, tokens=50)
    answers = {1: [i < 80 for i in range(DEV)], 2: [i >= 24 for i in range(DEV)]}
    baseline, ranked = rank([record(0, 1), good, poor])
    assert choose(ranked, baseline, WIDE, first).tied == {1}
    assert choose(ranked, baseline, WIDE, lambda r: answers.get(r.number) or first(r)).tied == {1, 2}


def test_of_equal_prompts_the_better_then_the_older_wins() -> None:
    assert chosen(record(3, 80), record(2, 80), record(1, 79))[0] == 2
    assert chosen(record(3, 80, loss=0.2), record(2, 80, loss=0.4))[0] == 3
    assert chosen(record(3, 79, tokens=10.04), record(2, 80, tokens=10.0))[0] == 2


def test_a_prompt_that_is_not_eligible_neither_wins_nor_sets_the_mark() -> None:
    """Trial 1 is the best; without it trial 2 leads, and the cheap trial 3 is tied with that one."""
    records = [record(1, 90, tokens=200), record(2, 80, tokens=200), record(3, 79, tokens=50)]
    asked: list[int] = []

    def is_eligible(record: TrialRecord) -> bool:
        asked.append(record.number)
        return record.number != 1

    found = choose(records, record(0, 1), WIDE, first, is_eligible, tolerance=0.01)
    assert found.leader.number == 2
    assert (found.record.number, found.tied) == (3, {2, 3})
    assert choose(records, record(0, 1), WIDE, first).tied == {1}


def test_only_what_might_be_chosen_is_asked_whether_it_may() -> None:
    """The answer may cost a pass over dev."""
    asked: list[int] = []
    records = [record(1, 90), record(2, 89), record(3, 50)]
    choose(records, record(0, 1), WIDE, first, lambda r: not asked.append(r.number), tolerance=0.01)
    assert set(asked) == {1, 2}


@pytest.mark.parametrize(("spread", "best"), [(0.0, 0), (0.002, 0), (0.01, 1), (0.1, 1), (0.3, 1)])
def test_the_same_lead_is_real_where_prompts_differ_and_luck_where_they_do_not(spread: float, best: int) -> None:
    """Ten of 100 examples more: 2.2 standard errors, of which sqrt(spread^2 / (spread^2 + 0.001)) is left."""
    baseline, ranked = rank([record(0, 50), record(1, 60)])
    found = choose(ranked, baseline, known(spread), first)
    assert found.record.number == best
    left = spread**2 / (spread**2 + NOISE / DEV)
    assert found.lead.expected == pytest.approx(0.1 * left)
    assert found.lead.stderr == pytest.approx(math.sqrt(2 * left * NOISE / DEV))
    assert found.lead.is_real == bool(best)
    assert (found.lead.chance >= 0.6) == bool(best)


def test_the_same_lead_on_more_examples_is_worth_more() -> None:
    shrunk = known(0.03)
    leads = [shrunk.lead(0.04, examples) for examples in (50, 100, 200, 400, 800, 10**6)]
    assert [lead.expected for lead in leads] == sorted(lead.expected for lead in leads)
    assert [lead.chance for lead in leads] == sorted(lead.chance for lead in leads)
    assert [shrunk.lead(0.01, examples).is_real for examples in (50, 100, 200, 10**6)] == [False, False, True, True]
    assert leads[-1].expected == pytest.approx(0.04, rel=0.01)


def test_where_the_baseline_leads_it_stays_though_a_cheaper_prompt_is_near() -> None:
    baseline, ranked = rank([record(0, 80, tokens=50), record(1, 79, tokens=10)])
    found = choose(ranked, baseline, WIDE, first)
    assert (found.record.number, found.tied, found.lead.expected) == (0, {0, 1}, 0.0)


def test_a_baseline_that_may_not_be_chosen_does_not_stay() -> None:
    baseline, ranked = rank([record(0, 50), record(1, 51)])
    assert choose(ranked, baseline, WIDE, first).record.number == 0
    assert choose(ranked, baseline, WIDE, first, lambda r: r.number != 0).record.number == 1


def test_only_trials_that_saw_all_of_dev_are_ranked() -> None:
    lucky = record(2, 99, state=TrialState.PRUNED)
    baseline, ranked = rank([record(0, 50), record(1, 60), lucky, record(3, 98, state=TrialState.FAILED)])
    assert [r.number for r in ranked] == [1, 0]
    assert baseline.number == 0


def test_the_shortlist_holds_the_best_and_always_the_chosen_one() -> None:
    baseline, ranked = rank([record(n, 50 + n) for n in range(6)])
    assert [r.number for r in ranked] == [5, 4, 3, 2, 1, 0]
    assert baseline.number == 0
    assert [r.number for r in shortlist(ranked, ranked[1], 3)] == [5, 4, 3]
    assert [r.number for r in shortlist(ranked, ranked[4], 3)] == [5, 4, 1]
    assert [r.number for r in shortlist(ranked, ranked[4], 1)] == [1]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], "it was never run"),
        ([record(1, 60)], "it was never run"),
        ([record(0, 60, state=TrialState.FAILED), record(1, 60)], "why"),
    ],
)
def test_without_a_baseline_nothing_can_be_said(records: list[TrialRecord], reason: str) -> None:
    with pytest.raises(SearchError, match=rf"the baseline prompt \(trial 0\) has no score.*: {reason}"):
        rank(records)

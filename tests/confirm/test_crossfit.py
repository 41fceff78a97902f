"""The dev score of a choice that was made without the examples it is scored on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.confirm import FinalistEvaluator
from autoprompt_search.confirm.ablation import TextAblation
from autoprompt_search.confirm.comparison import ScoreComparison
from autoprompt_search.confirm.crossfit import FOLDS, CrossFit, cross_fitted, folds
from autoprompt_search.confirm.selection import SelectionRule
from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.measurements import Outcome, TrialRecord
from autoprompt_search.core.objective import Limit, Objective
from autoprompt_search.core.ranking import ranked
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.ledger import Ledger
from autoprompt_search.metrics import metric_named
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.testing.factories import examples, job
from autoprompt_search.testing.runner_contract import drive
from autoprompt_search.trial import TrialJob

LABELS = ("negative", "positive")
COMPARISON = ScoreComparison(metric_named("accuracy", LABELS), LABELS, 0.95)
TARGETS = [LABELS[i % 2] for i in range(100)]


def fitted(right: np.ndarray, comparison: ScoreComparison = COMPARISON, seed: int = 0) -> CrossFit:
    """Of the prompt with the highest score, from [prompts, examples] that say where each is right."""
    other = dict(zip(LABELS, reversed(LABELS), strict=True))

    def said(number: int) -> list[Outcome]:
        pairs = zip(TARGETS, right[number], strict=True)
        return [
            Outcome(str(i), target, target if hit else other[target], LabelLogprobs(()))
            for i, (target, hit) in enumerate(pairs)
        ]

    found = cross_fitted(comparison, seed, TARGETS, lambda rows: int(right[:, list(rows)].mean(axis=1).argmax()), said)
    assert found is not None
    return found


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(0, 5))
def test_folds_hold_every_example_once_and_every_label_evenly(targets: list[str], seed: int) -> None:
    parts = folds(seed, targets)
    assert parts == folds(seed, targets)
    assert len(parts) == min(FOLDS, len(targets) // 2)
    if parts:
        assert sorted(place for part in parts for place in part) == list(range(len(targets)))
        counts = [Counter(targets[place] for place in part) for part in parts]
        for sizes in ([len(part) for part in parts], *([c[label] for c in counts] for label in "abc")):
            assert max(sizes) - min(sizes) <= 1


def test_no_example_helps_to_choose_the_winner_it_is_scored_by() -> None:
    """Every prompt is wrong on one fold only, and wins where that fold is left out."""
    parts = folds(0, TARGETS)
    right = np.ones((FOLDS, len(TARGETS)))
    for number, part in enumerate(parts):
        right[number, part] = 0
    assert fitted(right).winners == tuple(range(FOLDS))
    assert fitted(right).score == 0


def test_luck_of_the_best_of_many_is_not_in_it() -> None:
    rng = np.random.default_rng(0)
    raw, cross = [], []
    for seed in range(60):
        right = (rng.random((30, len(TARGETS))) < 0.7).astype(float)
        raw.append(right.mean(axis=1).max() - 0.7)
        cross.append(fitted(right, seed=seed).score - 0.7)
    assert np.mean(raw) > 0.07
    assert abs(np.mean(cross)) < 0.02


def test_a_clear_winner_keeps_its_score() -> None:
    right = np.zeros((4, len(TARGETS)))
    right[2, 10:] = 1
    assert fitted(right).winners == (2,) * FOLDS
    assert fitted(right).score == pytest.approx(0.9)
    assert fitted(right).stderr == pytest.approx(0.03, abs=0.001)
    other = fitted(right, ScoreComparison(metric_named("macro_f1", LABELS), LABELS, 0.95))
    assert other.score == pytest.approx(0.9, abs=0.01)


def test_a_dev_split_that_is_too_small_for_folds_has_none() -> None:
    assert cross_fitted(COMPARISON, 0, TARGETS[:3], lambda _: 0, lambda _: []) is None


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> TrialJob:
    backend = ComponentSpec.model_validate({"type": "scripted", "skill": 0.5, "bonus_per_demo": 0.1})
    made = job(tmp_path_factory.mktemp("search"), backend=backend, dev=examples(120), rungs=(40, 120))
    drive(LocalRunner(), made, trials=20)
    return made


@pytest.fixture
def ledger(work: TrialJob) -> Iterator[Ledger]:
    made = Ledger(work.state / "ledger.sqlite")
    yield made
    made.close()


def rule_of(records: Sequence[TrialRecord], work: TrialJob, ledger: Ledger, objective: Objective) -> SelectionRule:
    evaluator = FinalistEvaluator(work, LocalRunner(), ledger)
    return SelectionRule(
        records, objective, COMPARISON, evaluator, TextAblation(ranked(records), evaluator, COMPARISON)
    )


def test_the_rule_on_every_example_is_the_rule(work: TrialJob, ledger: Ledger) -> None:
    records = drive(LocalRunner(), work, trials=20).records
    rule = rule_of(records, work, ledger, Objective())
    whole, named = rule.choice(), rule.choice_on(range(120))
    assert (whole.record.number, whole.tied, whole.lead) == (named.record.number, named.tied, named.lead)
    assert whole.record.number != 0
    assert rule.choice_on(range(12)).lead.stderr > 2 * whole.lead.stderr, "few examples say less"


def test_a_part_of_dev_costs_nothing_and_keeps_the_limits(work: TrialJob, ledger: Ledger) -> None:
    records = drive(LocalRunner(), work, trials=20).records
    spent = ledger.total()
    limit = Limit("prompt_tokens", 25.0)
    rule = rule_of(records, work, ledger, Objective(limits=(limit,)))
    for part in folds(0, [e.target for e in work.dev]):
        rest = [place for place in range(120) if place not in part]
        assert rule.choice_on(rest).record.measurements[-1].prompt_tokens <= 25
    assert ledger.total() == spent
    with pytest.raises(SearchError):
        rule_of(records, work, ledger, Objective(limits=(Limit("prompt_tokens", 1.0),))).choice_on(range(60))

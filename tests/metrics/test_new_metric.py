"""A metric that somebody registers: what declares itself a mean is treated as one everywhere, by no further line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from autoprompt_search.confirm import Confirmation, Seal, confirm
from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.statistics.additive import ScoreModel
from autoprompt_search.ledger import Ledger
from autoprompt_search.metrics import METRICS, metric_named
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.studies.corpus import CorpusRacing
from autoprompt_search.studies.measured import MeasuredTrials
from autoprompt_search.studies.pruning import Pruner, PrunerName, PrunerTerms, chosen, usual
from autoprompt_search.studies.racing import Racing
from autoprompt_search.studies.spending import Spending
from autoprompt_search.studies.terms import SearchBudget
from autoprompt_search.testing.factories import LABELS, examples, job
from autoprompt_search.testing.metric_contract import MetricContract
from autoprompt_search.testing.runner_contract import drive


@dataclass(frozen=True)
class ExactMatch:
    """1 where the answer is the target, whatever its case."""

    is_mean: bool = True
    answers: tuple[str, ...] = ("label", "text")

    def statistics(self, outcome: Outcome) -> tuple[float]:
        return (float(outcome.prediction.casefold() == outcome.target.casefold()),)

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        scores: Doubles = sums[..., 0] / n
        return scores


def not_a_mean() -> ExactMatch:
    """The same numbers, of which nobody may know that they are a mean."""
    return ExactMatch(is_mean=False)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {"exact_match": f"{__name__}:ExactMatch", "opaque": f"{__name__}:not_a_mean"}
    monkeypatch.setattr(METRICS, "_paths", {**METRICS._paths, **paths})


class TestExactMatch(MetricContract):
    def make(self, labels: tuple[str, ...]) -> ExactMatch:
        return ExactMatch()


@pytest.mark.parametrize("pruner", ["knowledge-gradient", "wilcoxon", "racing"])
def test_pruners_for_means_take_it_and_refuse_what_is_none(pruner: PrunerName) -> None:
    budget, rungs = SearchBudget(10, passes=1000), (8, 24)

    def terms(metric: str) -> PrunerTerms:
        return PrunerTerms(budget, rungs, 3, 0.05, metric_named(metric, LABELS))

    def made(metric: str) -> Pruner:
        return chosen(pruner, terms(metric), MeasuredTrials(), ScoreModel(rungs), Spending(budget))[0]

    assert usual(terms("exact_match")) == "knowledge-gradient"
    assert usual(terms("opaque")) == "halving"
    if pruner == "racing":
        assert isinstance(made("exact_match"), Racing)
        assert isinstance(made("opaque"), CorpusRacing)
    else:
        made("exact_match")
        with pytest.raises(ConfigError, match="mean of its examples"):
            made("opaque")


def confirmed(folder: Path, metric: str) -> Confirmation:
    folder.mkdir()
    work = job(folder, metric=metric)
    records = drive(LocalRunner(), work, trials=6).records
    ledger = Ledger(folder / "ledger.sqlite")
    try:
        unseen = Seal(examples(60, name="test"))
        return confirm(records, work, unseen, runner=LocalRunner(), ledger=ledger, count=2, confidence=0.95)
    finally:
        ledger.close()


def test_a_search_by_it_ends_as_one_by_accuracy(tmp_path: Path) -> None:
    """McNemar, Wilson, contributions and cross-fitting: the figures are the same to the last bit."""
    ours, theirs = confirmed(tmp_path / "ours", "exact_match"), confirmed(tmp_path / "theirs", "accuracy")
    assert ours.difference == theirs.difference
    assert ours.difference.method.startswith("exact McNemar")
    assert [f.test_interval for f in ours.finalists] == [f.test_interval for f in theirs.finalists]
    assert (ours.corrected, ours.cross_fitted, ours.lead) == (theirs.corrected, theirs.cross_fitted, theirs.lead)
    opaque = confirmed(tmp_path / "opaque", "opaque")
    assert opaque.difference.method == "paired bootstrap"

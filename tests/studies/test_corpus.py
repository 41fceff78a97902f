"""Races by macro-F1: right about which prompt is the better one, and about how often they are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import Measurement, Outcome, TrialState
from autoprompt_search.core.statistics.scores import Scorecard
from autoprompt_search.metrics import metric_named
from autoprompt_search.studies.corpus import CorpusRacing
from autoprompt_search.studies.evidence import Evidence
from autoprompt_search.studies.measured import MeasuredTrials
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.testing.factories import label_outcomes, measurement, open_study
from autoprompt_search.testing.study_contract import BASELINE, facts

LABELS = ("rare", "usual")
RUNGS = (60, 120, 240)
ALL = RUNGS[-1]
MACRO_F1, ACCURACY = metric_named("macro_f1", LABELS), metric_named("accuracy", LABELS)


def imbalanced(rng: np.random.Generator) -> list[str]:
    """One in eight is of the rare label, in random order."""
    return [LABELS[int(i)] for i in rng.permutation([0] * (ALL // 8) + [1] * (ALL - ALL // 8))]


def answers(rng: np.random.Generator, targets: Sequence[str], found: float, spared: float) -> tuple[Outcome, ...]:
    """Of a prompt that finds such a share of the rare ones, and spares such a share of the usual ones."""
    right = {"rare": found, "usual": spared}
    said = [t if rng.random() < right[t] else LABELS[t == "rare"] for t in targets]
    return label_outcomes(targets, said)


def kept(outcomes: Sequence[Outcome]) -> Evidence:
    return Evidence(Scorecard.of(outcomes, MACRO_F1).values)


class Race:
    """The pruner with the record that it reads."""

    def __init__(self, error: float) -> None:
        record = MeasuredTrials()
        self.add, self.stops = record.add, CorpusRacing(record, error, RUNGS, MACRO_F1).stops


def stopped(rows: Sequence[Sequence[Outcome]], error: float) -> list[int]:
    """Trials that are stopped on some rung, when all climb side by side."""
    race, out = Race(error), list[int]()
    for rung in RUNGS[:-1]:
        alive = [n for n in range(len(rows)) if n not in out]
        for n in alive:
            race.add(n, "text", measurement(0.5, rung), kept(rows[n][:rung]))
        out += [n for n in alive if race.stops(n, rung)]
    return out


def score(row: Sequence[Outcome]) -> float:
    return Scorecard.of(row, MACRO_F1).score


def test_the_macro_f1_winner_is_kept_and_the_accuracy_winner_is_not() -> None:
    """Who never finds a rare one is right more often, and worth less."""
    rng = np.random.default_rng(0)
    targets = imbalanced(rng)
    rows = [answers(rng, targets, 0.9, 0.86), answers(rng, targets, 0.0, 1.0)]
    right = [Scorecard.of(row, ACCURACY).score for row in rows]
    assert right[1] > right[0]
    assert score(rows[0]) > score(rows[1])
    assert stopped(rows, 0.05) == [1]


@pytest.mark.slow
def test_the_best_is_lost_in_at_most_the_promised_share_of_searches() -> None:
    """Among eight prompts of equal skill, of which the best on all of dev is best by chance: the hardest case."""
    rng, searches, error = np.random.default_rng(1), 80, 0.2
    lost = 0
    for _ in range(searches):
        targets = imbalanced(rng)
        rows = [answers(rng, targets, 0.6, 0.9) for _ in range(8)]
        best = max(range(8), key=lambda n: score(rows[n]))
        lost += best in stopped(rows, error)
    assert lost / searches <= error


def test_rivals_are_of_one_kind_and_have_got_as_far() -> None:
    rng = np.random.default_rng(2)
    targets = imbalanced(rng)
    good, bad = kept(answers(rng, targets, 0.95, 0.95)[:60]), kept(answers(rng, targets, 0.1, 0.6)[:60])
    race = Race(0.05)
    race.add(1, "soft", measurement(0.9, 60), good)
    race.add(2, "text", measurement(0.9, 30), good.first(30))
    race.add(3, "text", measurement(0.5, 60), bad)
    race.add(4, "text", measurement(0.5, 60), None)
    assert not race.stops(3, 60)
    assert not race.stops(4, 60)
    race.add(2, "text", measurement(0.9, 60), good)
    assert race.stops(3, 60)
    assert not race.stops(2, 60)


def measured(row: tuple[Outcome, ...], examples: int) -> Measurement:
    seen = row[:examples]
    return measurement(score(seen), examples, is_full=examples == ALL, outcomes=seen)


def test_a_study_stops_by_macro_f1_and_again_after_a_restart(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    targets = imbalanced(rng)
    rows = [answers(rng, targets, 0.9, 0.86), answers(rng, targets, 0.0, 1.0), answers(rng, targets, 0.85, 0.86)]

    def opened(folder: Path) -> OptunaStudy:
        return open_study(
            folder, trials=3, baseline=BASELINE, rungs=RUNGS, pruner="racing", metric=MACRO_F1, sampler="random"
        )

    def climb(study: OptunaStudy, number: int) -> None:
        for rung in RUNGS:
            if study.report(number, measured(rows[number], rung)):
                study.tell(number, TrialState.PRUNED)
                return
        study.tell(number, TrialState.COMPLETE)

    whole = opened(tmp_path / "whole")
    while (asked := whole.ask()) is not None:
        climb(whole, asked[0])
    assert [r.state for r in whole.records()] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    for number in range(3):
        again = opened(tmp_path / "again")
        assert (again.ask() or pytest.fail("no trial"))[0] == number
        climb(again, number)
    assert facts(opened(tmp_path / "again").records()) == facts(whole.records())


@pytest.mark.parametrize("pruner", ["wilcoxon", "knowledge-gradient"])
def test_pruners_of_means_are_refused(pruner: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"study.pruner: {pruner} needs a score that is the mean of its examples"):
        open_study(tmp_path, trials=3, rungs=RUNGS, metric=MACRO_F1, pruner=pruner)


def test_without_rungs_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"study\.pruner: racing needs the rungs"):
        CorpusRacing(MeasuredTrials(), 0.05, (), MACRO_F1)

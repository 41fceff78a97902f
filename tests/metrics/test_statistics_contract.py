"""Intervals, the verdict, the choice, racing, the probe and the Pareto front hold for every registered metric.

The answers of four prompts are drawn, from careless to nearly perfect; nothing here knows what a metric counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from autoprompt_search.confirm import Verdict, judge
from autoprompt_search.confirm.pareto import pareto
from autoprompt_search.core.answers import Completion, joined
from autoprompt_search.core.measurements import Fidelity, Measurement, Outcome, TrialRecord, TrialState
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.statistics.scores import Scorecard, contributions, interval, paired_difference, stderr
from autoprompt_search.metrics import METRICS, metric_named
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.testing.factories import open_study
from autoprompt_search.testing.study_contract import BASELINE

LABELS = ("bad", "fair", "good")
SETS = tuple(map(joined, ((), LABELS[:1], LABELS[1:], LABELS)))
TEXTS = ("the red dog runs to 12 trees", "a cat sat on 7 mats", "two birds sing 3 songs here", "rain fell for 40 days")
RUNGS = (24, 96)
SKILLS = (0.35, 0.4, 0.65, 0.95)


@cache
def outcomes(kind: str, skill: float, number: int = RUNGS[-1]) -> tuple[Outcome, ...]:
    """What a prompt answers: how hard an example is, is the same for all prompts."""
    answers = {"label": LABELS, "option": LABELS, "labels": SETS, "text": TEXTS, "program": TEXTS}[kind]
    made = []
    for i in range(number):
        rng = derive_rng("example", i)
        target, is_hard = rng.choice(answers), rng.random()
        wrong = derive_rng("answer", i, skill).choice([a for a in answers if a != target])
        said = target if is_hard < skill else wrong
        failed = derive_rng("verdict", i, skill).choice(["failed", "timeout", "no-program"])
        verdict = "" if kind != "program" else "passed" if said == target else failed
        made.append(Outcome(str(i), target, said, Completion(said, "end", 5), 10, verdict=verdict))
    return tuple(made)


def measured(name: str, kind: str, skill: float, rung: int, tokens: float = 10.0) -> Measurement:
    seen = outcomes(kind, skill)[:rung]
    card = Scorecard.of(seen, metric_named(name, LABELS))
    return Measurement(card.score, stderr(card), {name: card.score}, Fidelity(rung, is_full=rung == RUNGS[-1]),
                       prompt_tokens=tokens, outcomes=seen)  # fmt: skip


KINDS = [(name, kind) for name in METRICS.names() for kind in metric_named(name, LABELS).answers if kind != "ranking"]
SEES_ANSWERS = [
    (name, kind) for name, kind in KINDS if name not in ("length", "one_minus_ece", "compile_rate", "ended_rate")
]
"""Metrics of which a prompt that answers better has more: length, calibration of answers without probabilities, and how
far programs come say something else."""


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_intervals_hold_the_score_and_narrow_and_parts_add_up(name: str, kind: str) -> None:
    metric = metric_named(name, LABELS)
    few, many = (Scorecard.of(outcomes(kind, 0.65, n), metric) for n in (48, 192))
    for card in (few, many):
        found = interval(card)
        assert found.low - 0.02 <= card.score <= found.high + 0.02
        assert np.isfinite([found.low, found.high, stderr(card)]).all()
        assert contributions(card).mean() == pytest.approx(card.score, abs=0.05)
    widths = [found.high - found.low for found in map(interval, (few, many))]
    assert widths[1] <= widths[0]
    same = paired_difference(many, many)
    assert (same.score, judge(same)) == (0.0, Verdict.TIE)


@pytest.mark.parametrize(("name", "kind"), SEES_ANSWERS)
def test_the_verdict_tells_better_from_worse(name: str, kind: str) -> None:
    worse, better = (Scorecard.of(outcomes(kind, skill), metric_named(name, LABELS)) for skill in (0.35, 0.95))
    gap = paired_difference(better, worse)
    assert gap.low <= gap.score <= gap.high
    assert (judge(gap), judge(paired_difference(worse, better))) == (Verdict.PROMOTE, Verdict.REJECT)
    assert gap.p < 0.05


def searched(study: OptunaStudy, name: str, kind: str) -> Sequence[TrialRecord]:
    """Run trials of rising skill, again and again."""
    while (asked := study.ask()) is not None:
        number = asked[0]
        skill = SKILLS[number % len(SKILLS)]
        for rung in RUNGS:
            if study.report(number, measured(name, kind, skill, rung, tokens=10.0 + 5 * (number % 4))):
                study.tell(number, TrialState.PRUNED)
                break
        else:
            study.tell(number, TrialState.COMPLETE)
    return list(study.records())


@pytest.mark.parametrize(("name", "kind"), SEES_ANSWERS)
def test_races_and_probes_keep_the_best_and_the_front_is_one(name: str, kind: str, tmp_path: Path) -> None:
    terms = {"baseline": BASELINE, "rungs": RUNGS, "metric": metric_named(name, LABELS), "probe": 4, "pruner": "racing"}
    study = open_study(tmp_path, None, 10, **terms)
    records = searched(study, name, kind)
    best = {r.number for r in records if r.number % 4 == 3}
    assert best <= {r.number for r in records if r.state is TrialState.COMPLETE}, "the best was stopped"
    assert [r for r in records if r.state is TrialState.PRUNED], "nothing was stopped"
    headroom = study.headroom()
    assert headroom is not None
    assert 0 <= headroom.gain.low <= headroom.gain.expected <= headroom.gain.high
    assert headroom.gain.high > 0.1
    front = pareto([r for r in records if r.state is TrialState.COMPLETE])
    scores = [r.measurements[-1].score for r in front]
    assert scores == sorted(scores)
    assert front[-1].number % 4 == 3

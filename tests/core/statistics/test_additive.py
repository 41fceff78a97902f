"""Scores at unequal rungs on one scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from autoprompt_search.core.statistics.additive import ScoreFit, ScoreModel
from autoprompt_search.testing.factories import label_card, measurement

RUNGS = (40, 80, 120, 160)


def board(*trials: list[float], kinds: str = "", **fields: object) -> ScoreModel:
    """Trials with these scores on the lowest rungs."""
    made = ScoreModel(RUNGS)
    for number, scores in enumerate(trials):
        for rung, score in zip(RUNGS, scores, strict=False):
            error = (score * (1 - score) / rung) ** 0.5
            kind = kinds[number] if kinds else "text"
            made.add(number, kind, measurement(score, rung, stderr=error, **fields))
    return made


def scores(fit: ScoreFit) -> list[float]:
    return fit.score.tolist()


def test_a_trial_that_saw_everything_has_its_own_score() -> None:
    fit = board([0.5, 0.6, 0.7, 0.65], [0.9]).fit()
    assert fit.score[0] == pytest.approx(0.65)
    assert fit.variance[0] == pytest.approx(0)
    assert fit.variance[1] > 0


def test_easy_examples_are_no_merit() -> None:
    """The first block is easy for all; who saw only it is not ahead of who did as well there and went on."""
    fit = board([0.9, 0.7], [0.9, 0.7], [0.9], [0.85, 0.65]).fit()
    assert fit.score[2] == pytest.approx(fit.score[0], abs=0.01)
    assert fit.score[3] < fit.score[2]


def test_a_lucky_start_is_drawn_towards_the_others_and_less_so_where_more_was_seen() -> None:
    others = [[0.6, 0.6, 0.6, 0.6]] * 6
    short, long = board(*others, [0.75]).fit(), board(*others, [0.75, 0.75, 0.75]).fit()
    assert 0.6 < short.score[-1] < long.score[-1] < 0.75
    assert short.variance[-1] > long.variance[-1]


def test_kinds_are_drawn_towards_their_own() -> None:
    low, high = [[0.5] * 4] * 5, [[0.8] * 4] * 5
    fit = board(*low, *high, [0.65], [0.65], kinds="t" * 5 + "s" * 5 + "ts").fit()
    assert fit.score[-2] < fit.score[-1]


def test_what_a_soft_prompt_did_before_it_was_trained_further_does_not_count() -> None:
    """At 80 examples it has 0.7 with the vectors it now has, whatever earlier ones did on the first 40."""
    found = []
    for early in (0.3, 0.6):
        made = board([0.6] * 4, [0.62] * 4, [0.58] * 4)
        for rung, score, key in ((40, early, "first vectors"), (80, 0.7, "last vectors")):
            made.add(3, "text", measurement(score, rung, stderr=0.05, prompt=key))
        found.append(made.fit().score[3])
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_it_recovers_what_made_the_scores() -> None:
    """Better than raw means do, where trials have seen different amounts of examples of different difficulty."""
    rng = np.random.default_rng(0)
    raw, modelled = [], []
    for _ in range(20):
        skill, ease = rng.normal(0, 0.03, size=24), np.array([0.8, 0.7, 0.6, 0.65])
        cells = ease + skill[:, None] + rng.normal(0, 0.04, size=(24, 4))
        reach = rng.integers(1, 5, size=24)
        means = [(cells[n].cumsum() / np.arange(1, 5))[: reach[n]].tolist() for n in range(24)]
        fit = board(*means).fit()
        truth = cells.mean(axis=1)
        modelled.append(np.mean((fit.score - truth) ** 2))
        raw.append(np.mean((np.array([row[-1] for row in means]) - truth) ** 2))
    assert np.mean(modelled) < 0.4 * np.mean(raw)


def test_what_is_no_mean_is_ranked_better_than_by_its_last_scores_too() -> None:
    """Macro-F1 with a rare label, over trials that have seen different amounts of dev."""
    labels, modelled, raw = ("rare", "usual"), [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        is_rare, ease, truth, last, entered = (
            rng.random(512) < 0.12,
            rng.normal(size=512),
            [],
            [],
            ScoreModel((32, 128, 512)),
        )
        for number in range(30):
            lean = np.where(is_rare, 1, -1) * rng.normal(0, 0.5)
            is_right = rng.random(512) < 1 / (1 + np.exp(-(rng.normal(1.5, 0.5) + ease + lean)))
            targets = [labels[int(not rare)] for rare in is_rare]
            said = [labels[int(rare != right)] for rare, right in zip(is_rare, is_right, strict=True)]
            reached = (32, 128, 512)[: 1 + rng.binomial(2, 0.4)]
            made = [label_card("macro_f1", targets[:rung], said[:rung], labels).score for rung in reached]
            for rung, score in zip(reached, made, strict=True):
                entered.add(number, "text", measurement(score, rung, stderr=0.5 / rung**0.5, prompt=str(number)))
            truth.append(label_card("macro_f1", targets, said, labels).score)
            last.append(made[-1])
        expected = [entered.estimates()[number].score for number in range(30)]
        modelled.append(spearmanr(expected, truth).statistic)
        raw.append(spearmanr(last, truth).statistic)
    assert np.mean(modelled) > np.mean(raw) + 0.01


def test_the_two_variances_are_found() -> None:
    rng = np.random.default_rng(1)
    skill = rng.normal(0, 0.06, size=60)
    cells = 0.6 + rng.normal(0, 0.05, size=4) + skill[:, None] + rng.normal(0, 0.04, size=(60, 4))
    fit = board(*[(row.cumsum() / np.arange(1, 5)).tolist() for row in cells]).fit()
    assert fit.spread**0.5 == pytest.approx(0.06, rel=0.25)
    assert fit.noise**0.5 == pytest.approx(0.04 * 40**0.5, rel=0.15)


def test_nothing_is_expected_of_nobody() -> None:
    empty = ScoreModel(RUNGS)
    assert (len(empty), empty.estimates(), empty.reached(3)) == (0, {}, 0)

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.rng import derive_rng, derive_seed
from autoprompt_search.core.stats import (
    LabelMetric,
    contributions,
    interval,
    metric_stderr,
    paired_difference,
    paired_stderr,
)
from autoprompt_search.metrics.classification import accuracy, macro_f1, mcc

YES_NO = ("yes", "no")


def answers(right: int, wrong: int) -> list[str]:
    return ["yes"] * right + ["no"] * wrong


def pairs(both: int, gained: int, lost: int, neither: int) -> tuple[list[str], list[str], list[str]]:
    """Targets, our answers and theirs, with these counts of agreement."""
    ours = answers(both + gained, lost + neither)
    theirs = answers(both, gained) + answers(lost, neither)
    return ["yes"] * len(ours), ours, theirs


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Statist. Med. 17:857, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_the_published_one(hits: int, n: int, low: float, high: float) -> None:
    found = interval(accuracy, ["yes"] * n, answers(hits, n - hits), YES_NO)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.score == hits / n


def test_confidence_widens_the_interval() -> None:
    wide, narrow = (interval(accuracy, ["yes"] * 50, answers(30, 20), YES_NO, confidence=c) for c in (0.99, 0.8))
    assert wide.low < narrow.low < 0.6 < narrow.high < wide.high
    ours = pairs(20, 20, 5, 5)
    low99, low80 = (paired_difference(accuracy, *ours, YES_NO, confidence=c).low for c in (0.99, 0.8))
    assert low99 < low80


@pytest.mark.parametrize(
    ("both", "gained", "lost", "neither"), [(23, 12, 2, 10), (0, 0, 0, 8), (5, 0, 7, 1), (1, 9, 0, 0)]
)
def test_the_paired_interval_is_bonett_and_prices(both: int, gained: int, lost: int, neither: int) -> None:
    """Their formula (2012, J. Educ. Behav. Stat. 37:479), written out: Laplace-adjusted Wald with z = 1.959964."""
    n = both + gained + lost + neither
    p12, p21 = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = 1.959963984540054 * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 2))
    found = paired_difference(accuracy, *pairs(both, gained, lost, neither), YES_NO)
    assert found.low == pytest.approx(max(-1, p12 - p21 - half))
    assert found.high == pytest.approx(min(1, p12 - p21 + half))
    assert found.score == pytest.approx((gained - lost) / n)


def test_a_paired_interval_by_hand() -> None:
    """12 of 48 gained, 2 lost: 13/50 - 3/50 = 0.2; variance (0.32 - 0.04)/50 = 0.0056; 1.96 * 0.0748 = 0.1467."""
    found = paired_difference(accuracy, *pairs(24, 12, 2, 10), YES_NO)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0533, 0.3467)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 2**5),
        (0, 10, 2 / 2**10),
        (9, 1, 2 * (1 + 10) / 2**10),
        (8, 2, 2 * (1 + 10 + 45) / 2**10),
        (7, 7, 1.0),
    ],
)
def test_mcnemar_is_the_exact_binomial_tail(gained: int, lost: int, p: float) -> None:
    found = paired_difference(accuracy, *pairs(6, gained, lost, 3), YES_NO)
    assert found.p == pytest.approx(p)


counts = st.integers(0, 30)


@given(counts, counts, counts, counts.map(lambda n: n + 1))
def test_turning_the_pair_turns_the_difference(both: int, gained: int, lost: int, neither: int) -> None:
    targets, ours, theirs = pairs(both, gained, lost, neither)
    there = paired_difference(accuracy, targets, ours, theirs, YES_NO)
    back = paired_difference(accuracy, targets, theirs, ours, YES_NO)
    assert back.score == pytest.approx(-there.score)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert back.p == pytest.approx(there.p)
    assert -1 <= there.low <= there.high <= 1
    assert there.low <= there.score <= there.high or abs(there.score) == 1


def simulate(rng: np.random.Generator, n: int, gain: float, loss: float) -> tuple[list[str], list[str], list[str]]:
    """`n` paired answers: ours alone right with probability `gain`, theirs alone with `loss`."""
    both, gained, lost, neither = rng.multinomial(n, [0.5, gain, loss, 0.5 - gain - loss])
    return pairs(int(both), int(gained), int(lost), int(neither))


@pytest.mark.parametrize(("gain", "loss"), [(0.1, 0.1), (0.2, 0.05), (0.02, 0.02), (0.3, 0.1)])
def test_the_paired_interval_covers_the_truth(gain: float, loss: float) -> None:
    """95 % nominal. 600 runs: the standard error of the coverage is 0.009."""
    rng = np.random.default_rng(derive_seed("coverage", gain, loss))
    found = [paired_difference(accuracy, *simulate(rng, 200, gain, loss), YES_NO) for _ in range(600)]
    assert np.mean([d.low <= gain - loss <= d.high for d in found]) >= 0.93


def test_the_standard_error_of_accuracy_is_the_binomial_one() -> None:
    assert metric_stderr(accuracy, ["yes"] * 101, answers(50, 51), YES_NO) == pytest.approx(
        math.sqrt(50 / 101 * 51 / 101 / 100)
    )
    assert metric_stderr(accuracy, ["yes"] * 9, answers(9, 0), YES_NO) == 0
    assert metric_stderr(accuracy, ["yes"], answers(1, 0), YES_NO) == 0


def test_the_jackknife_agrees_with_the_formula_where_there_is_one() -> None:
    """Accuracy under another name: the jackknife of a mean with blocks of one is its standard error."""

    def share(targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str]) -> float:
        return accuracy(targets, predictions, labels)

    targets, predictions = ["yes"] * 20, answers(13, 7)
    assert metric_stderr(share, targets, predictions, YES_NO) == pytest.approx(
        metric_stderr(accuracy, targets, predictions, YES_NO)
    )


def test_the_jackknife_is_near_the_true_spread_of_macro_f1() -> None:
    rng = np.random.default_rng(5)
    scores, errors = [], []
    for _ in range(12):
        targets = np.where(rng.random(200) < 0.4, "yes", "no").tolist()
        predictions = [t if rng.random() < 0.8 else "yes" for t in targets]
        scores.append(macro_f1(targets, predictions, YES_NO))
        errors.append(metric_stderr(macro_f1, targets, predictions, YES_NO))
    assert 0.6 < np.mean(errors) / np.std(scores) < 1.6


def test_another_metric_is_bootstrapped_with_the_same_rows_every_time() -> None:
    def share(targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str]) -> float:
        return accuracy(targets, predictions, labels)

    targets, ours, theirs = pairs(40, 30, 5, 25)
    one = paired_difference(share, targets, ours, theirs, YES_NO)
    assert one == paired_difference(share, targets, ours, theirs, YES_NO)
    exact = paired_difference(accuracy, targets, ours, theirs, YES_NO)
    assert one.method == "paired bootstrap"
    assert (one.low, one.high) == pytest.approx((exact.low, exact.high), abs=0.02)
    assert one.p < 0.01
    assert paired_difference(share, targets, ours, ours, YES_NO).p == 1
    single = interval(share, targets, ours, YES_NO)
    wilson = interval(accuracy, targets, ours, YES_NO)
    assert (single.low, single.high) == pytest.approx((wilson.low, wilson.high), abs=0.02)


def test_the_paired_standard_error_is_of_the_mean_gap() -> None:
    ours, theirs = [True, True, False, True], [True, False, False, False]
    gaps = [0, 1, 0, 1]
    spread = math.sqrt(sum((g - 0.5) ** 2 for g in gaps) / 3)
    assert paired_stderr(ours, theirs) == pytest.approx(spread / 2)
    assert paired_stderr(ours, ours) == 0
    assert paired_stderr([True], [False]) == 0


def test_contributions_to_accuracy_are_hits() -> None:
    assert contributions(accuracy, ["a", "b", "a"], ["a", "a", "a"], ("a", "b")) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("metric", [macro_f1, mcc])
def test_contributions_to_another_metric_tell_its_paired_error(metric: LabelMetric) -> None:
    """Their paired standard error is that of the difference of the two scores, as a bootstrap finds it."""
    rng = derive_rng("contributions")
    labels = ("a", "b", "c")
    targets = [rng.choice("aaabbc") for _ in range(240)]
    ours, theirs = ([t if rng.random() < skill else rng.choice(labels) for t in targets] for skill in (0.7, 0.5))
    values = [contributions(metric, targets, said, labels) for said in (ours, theirs)]
    found = paired_difference(metric, targets, ours, theirs, labels, confidence=0.95)
    assert math.fsum(values[0]) / 240 == pytest.approx(metric(targets, ours, labels), abs=0.01)
    assert paired_stderr(*values) == pytest.approx((found.high - found.low) / (2 * 1.96), rel=0.1)


def test_leaving_out_one_of_equal_examples_is_counted_once() -> None:
    """By hand: of four right answers and one wrong the pseudo-values are those of the plain jackknife."""
    targets, said, labels = list("aabba"), list("aabbb"), ("a", "b")
    whole = macro_f1(targets, said, labels)
    plain = []
    for out in range(5):
        rest = [i for i in range(5) if i != out]
        plain.append(5 * whole - 4 * macro_f1([targets[i] for i in rest], [said[i] for i in rest], labels))
    assert contributions(macro_f1, targets, said, labels) == pytest.approx(plain)

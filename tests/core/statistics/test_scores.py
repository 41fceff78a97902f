from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.rng import derive_rng, derive_seed
from autoprompt_search.core.statistics import scores
from autoprompt_search.core.statistics.scores import (
    Difference,
    Interval,
    Scorecard,
    bootstrap,
    contributions,
    interval,
    paired_difference,
    paired_stderr,
    stderr,
)
from autoprompt_search.testing.factories import label_card

YES_NO = ("yes", "no")


def answers(right: int, wrong: int) -> list[str]:
    return ["yes"] * right + ["no"] * wrong


def pairs(both: int, gained: int, lost: int, neither: int) -> tuple[Scorecard, Scorecard]:
    """Our right answers and theirs, with these counts of agreement."""
    ours = answers(both + gained, lost + neither)
    theirs = answers(both, gained) + answers(lost, neither)
    return tuple(label_card("accuracy", ["yes"] * len(ours), said, YES_NO) for said in (ours, theirs))


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
    found = interval(label_card("accuracy", ["yes"] * n, answers(hits, n - hits), YES_NO))
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.score == hits / n


def test_confidence_widens_the_interval() -> None:
    card = label_card("accuracy", ["yes"] * 50, answers(30, 20), YES_NO)
    wide, narrow = (interval(card, confidence=c) for c in (0.99, 0.8))
    assert wide.low < narrow.low < 0.6 < narrow.high < wide.high
    ours = pairs(20, 20, 5, 5)
    low99, low80 = (paired_difference(*ours, confidence=c).low for c in (0.99, 0.8))
    assert low99 < low80


@pytest.mark.parametrize(
    ("both", "gained", "lost", "neither"), [(23, 12, 2, 10), (0, 0, 0, 8), (5, 0, 7, 1), (1, 9, 0, 0)]
)
def test_the_paired_interval_is_bonett_and_prices(both: int, gained: int, lost: int, neither: int) -> None:
    """Their formula (2012, J. Educ. Behav. Stat. 37:479), written out: Laplace-adjusted Wald with z = 1.959964."""
    n = both + gained + lost + neither
    p12, p21 = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = 1.959963984540054 * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 2))
    found = paired_difference(*pairs(both, gained, lost, neither))
    assert found.low == pytest.approx(max(-1, p12 - p21 - half))
    assert found.high == pytest.approx(min(1, p12 - p21 + half))
    assert found.score == pytest.approx((gained - lost) / n)


def test_a_paired_interval_by_hand() -> None:
    """12 of 48 gained, 2 lost: 13/50 - 3/50 = 0.2; variance (0.32 - 0.04)/50 = 0.0056; 1.96 * 0.0748 = 0.1467."""
    found = paired_difference(*pairs(24, 12, 2, 10))
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
    found = paired_difference(*pairs(6, gained, lost, 3))
    assert found.p == pytest.approx(p)


counts = st.integers(0, 30)


@given(counts, counts, counts, counts.map(lambda n: n + 1))
def test_turning_the_pair_turns_the_difference(both: int, gained: int, lost: int, neither: int) -> None:
    ours, theirs = pairs(both, gained, lost, neither)
    there, back = paired_difference(ours, theirs), paired_difference(theirs, ours)
    assert back.score == pytest.approx(-there.score)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert back.p == pytest.approx(there.p)
    assert -1 <= there.low <= there.high <= 1
    assert there.low <= there.score <= there.high or abs(there.score) == 1


def simulate(rng: np.random.Generator, n: int, gain: float, loss: float) -> tuple[Scorecard, Scorecard]:
    """`n` paired answers: ours alone right with probability `gain`, theirs alone with `loss`."""
    both, gained, lost, neither = rng.multinomial(n, [0.5, gain, loss, 0.5 - gain - loss])
    return pairs(int(both), int(gained), int(lost), int(neither))


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "loss"), [(0.1, 0.1), (0.2, 0.05), (0.02, 0.02), (0.3, 0.1)])
def test_the_paired_interval_covers_the_truth(gain: float, loss: float) -> None:
    """95 % nominal. 600 runs: the standard error of the coverage is 0.009."""
    rng = np.random.default_rng(derive_seed("coverage", gain, loss))
    found = [paired_difference(*simulate(rng, 200, gain, loss)) for _ in range(600)]
    assert np.mean([d.low <= gain - loss <= d.high for d in found]) >= 0.93


def test_the_standard_error_of_accuracy_is_the_binomial_one() -> None:
    def error(right: int, wrong: int) -> float:
        return stderr(label_card("accuracy", ["yes"] * (right + wrong), answers(right, wrong), YES_NO))

    assert error(50, 51) == pytest.approx(math.sqrt(50 / 101 * 51 / 101 / 100))
    assert error(9, 0) == 0
    assert error(1, 0) == 0


@dataclass(frozen=True)
class Weighed:
    """A metric of given values: their mean, or their mean in disguise."""

    is_mean: bool
    answers: tuple[str, ...] = ("text",)

    def statistics(self, outcome: Outcome) -> list[float]:
        return [float(outcome.prediction), 1.0]

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        scores: Doubles = sums[..., 0] / sums[..., 1]
        return scores


def weighed(values: Sequence[float], *, is_mean: bool) -> Scorecard:
    return Scorecard.of(
        [Outcome(str(i), "", str(value), LabelLogprobs(())) for i, value in enumerate(values)], Weighed(is_mean)
    )


def test_the_jackknife_agrees_with_the_formula_where_there_is_one() -> None:
    """The jackknife of a mean with blocks of one is its standard error."""
    shares = [1.0] * 13 + [0.0] * 7
    assert stderr(weighed(shares, is_mean=False)) == pytest.approx(stderr(weighed(shares, is_mean=True)))
    values = np.random.default_rng(3).random(20).tolist()
    expected = np.std(values, ddof=1) / math.sqrt(20)
    assert stderr(weighed(values, is_mean=True)) == pytest.approx(expected)
    assert stderr(weighed(values, is_mean=False)) == pytest.approx(expected)


def test_the_jackknife_is_near_the_true_spread_of_macro_f1() -> None:
    rng = np.random.default_rng(5)
    drawn, errors = [], []
    for _ in range(12):
        targets = np.where(rng.random(200) < 0.4, "yes", "no").tolist()
        card = label_card("macro_f1", targets, [t if rng.random() < 0.8 else "yes" for t in targets], YES_NO)
        drawn.append(card.score)
        errors.append(stderr(card))
    assert 0.6 < np.mean(errors) / np.std(drawn) < 1.6


def test_what_is_no_share_of_right_answers_is_bootstrapped_with_the_same_rows_every_time() -> None:
    ours, theirs = pairs(40, 30, 5, 25)
    mine, other = (weighed(card.values[:, 0].tolist(), is_mean=False) for card in (ours, theirs))
    one, exact = paired_difference(mine, other), paired_difference(ours, theirs)
    assert one == paired_difference(mine, other)
    assert one.method == "paired bootstrap"
    assert (one.low, one.high) == pytest.approx((exact.low, exact.high), abs=0.02)
    assert one.p < 0.01
    assert paired_difference(mine, mine).p == 1
    single, wilson = interval(mine), interval(ours)
    assert (single.low, single.high) == pytest.approx((wilson.low, wilson.high), abs=0.02)


def test_a_mean_of_values_between_right_and_wrong_is_bootstrapped_too() -> None:
    rng = np.random.default_rng(4)
    values = rng.random(300)
    ours, theirs = weighed(np.clip(values + 0.05, 0, 1).tolist(), is_mean=True), weighed(values.tolist(), is_mean=True)
    found = paired_difference(ours, theirs)
    assert found.method == "paired bootstrap"
    assert 0 < found.low < found.score < found.high
    half = 1.96 * stderr(ours)
    assert (interval(ours).low, interval(ours).high) == pytest.approx((ours.score - half, ours.score + half), abs=0.01)


def test_the_paired_standard_error_is_of_the_mean_gap() -> None:
    ours, theirs = [True, True, False, True], [True, False, False, False]
    gaps = [0, 1, 0, 1]
    spread = math.sqrt(sum((g - 0.5) ** 2 for g in gaps) / 3)
    assert paired_stderr(ours, theirs) == pytest.approx(spread / 2)
    assert paired_stderr(ours, ours) == 0
    assert paired_stderr([True], [False]) == 0


def test_contributions_to_accuracy_are_hits() -> None:
    assert contributions(label_card("accuracy", "aba", "aaa", ("a", "b"))).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("metric", ["macro_f1", "mcc"])
def test_contributions_to_another_metric_tell_its_paired_error(metric: str) -> None:
    """Their paired standard error is that of the difference of the two scores, as a bootstrap finds it."""
    rng = derive_rng("contributions")
    labels = ("a", "b", "c")
    targets = [rng.choice("aaabbc") for _ in range(240)]
    said = ([t if rng.random() < skill else rng.choice(labels) for t in targets] for skill in (0.7, 0.5))
    ours, theirs = (label_card(metric, targets, answers, labels) for answers in said)
    values = [contributions(card) for card in (ours, theirs)]
    found = paired_difference(ours, theirs, confidence=0.95)
    assert values[0].mean() == pytest.approx(ours.score, abs=0.01)
    assert paired_stderr(*values) == pytest.approx((found.high - found.low) / (2 * 1.96), rel=0.1)


labelled = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=2, max_size=40)


@given(labelled, st.sampled_from(["balanced_accuracy", "macro_f1", "macro_precision", "macro_recall", "mcc"]))
def test_leaving_out_by_subtraction_is_leaving_out(drawn: list[tuple[str, str]], metric: str) -> None:
    """The pseudo-values are those of the plain jackknife, which scores the other examples from the start."""
    card = label_card(metric, [t for t, _ in drawn], [p for _, p in drawn], tuple("abc"))
    n = len(card)
    plain = [n * card.score - (n - 1) * card.part([i for i in range(n) if i != out]).score for out in range(n)]
    assert contributions(card).tolist() == plain


@given(labelled, st.integers(1, 400))
def test_the_bootstrap_does_not_depend_on_the_size_of_its_blocks(drawn: list[tuple[str, str]], block: int) -> None:
    card = label_card("macro_f1", [t for t, _ in drawn], [p for _, p in drawn], tuple("abc"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "RESAMPLES", 397)
        (whole,), (parted,) = bootstrap(card), bootstrap(card, cells=block * len(card))
    assert len(whole) == 397
    assert np.array_equal(whole, parted)


def test_bootstrap_scores_are_those_of_the_drawn_examples() -> None:
    rng = np.random.default_rng(derive_seed("bootstrap", 30))
    drawn = rng.integers(0, 3, size=(30, 2))
    card = label_card("mcc", [str(t) for t, _ in drawn], [str(p) for _, p in drawn], ("0", "1", "2"))
    rows = np.random.default_rng(derive_seed("bootstrap", 30)).integers(0, 30, size=(scores.RESAMPLES, 30))
    assert bootstrap(card)[0][:50].tolist() == [card.part(some.tolist()).score for some in rows[:50]]


STORED = json.loads((Path(__file__).parent / "stored_scores.json").read_text(encoding="utf-8"))


def answered(n: int, count: int, skill: float) -> tuple[tuple[str, ...], list[str], list[str], list[str]]:
    """Labels, targets, and the answers of two prompts."""
    rng = derive_rng("stored values", n, count, skill)
    labels = tuple(f"label {i}" for i in range(count))
    common = labels[: max(1, count - 1)]
    targets = [rng.choice(common) for _ in range(n)]
    ours, theirs = ([t if rng.random() < s else rng.choice(labels) for t in targets] for s in (skill, 0.6))
    return labels, targets, ours, theirs


@pytest.mark.parametrize("metric", sorted({row["metric"] for row in STORED}))
def test_no_figure_has_moved_since_metrics_were_functions_of_all_answers(metric: str) -> None:
    """The values were stored by the code that scored lists of label names; they are equal to the last bit."""
    for row in (row for row in STORED if row["metric"] == metric):
        labels, targets, *said = answered(*row["case"])
        ours, theirs = (label_card(metric, targets, answers, labels) for answers in said)
        parts = contributions(ours).tolist()
        assert ours.score == row["score"]
        assert stderr(ours) == row["stderr"]
        assert [parts[0], parts[len(parts) // 2], parts[-1]] == row["contributions"]
        if "interval" in row:
            assert interval(ours, confidence=0.9) == Interval(ours.score, *row["interval"])
            assert paired_difference(ours, theirs, confidence=0.9) == Difference(*row["difference"])

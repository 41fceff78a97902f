from __future__ import annotations

import math

import numpy as np
import pytest

from autoprompt_search.confirm import Verdict, judge
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.core.statistics.scores import Difference, paired_difference
from autoprompt_search.testing.factories import label_card

TEST = 300
SEEDS = 400


def verdict(seed: int, ours: float, theirs: float, *, shared: float = 0.6) -> Verdict:
    """Two prompts with these accuracies; on a share of the examples they answer alike."""
    rng = np.random.default_rng(derive_seed("verdict", seed))
    alike, both = rng.random(TEST) < shared, rng.random(TEST)
    a = np.where(alike, both, rng.random(TEST)) < ours
    b = np.where(alike, both, rng.random(TEST)) < theirs
    words = np.array(["no", "yes"])
    answers = [words[x.astype(int)].tolist() for x in (a, b)]
    return judge(paired_difference(*(label_card("accuracy", ["yes"] * TEST, said) for said in answers)))


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.01, 0.2, Verdict.PROMOTE),
        (0.0, 0.2, Verdict.TIE),
        (-0.1, 0.2, Verdict.TIE),
        (-0.2, 0.0, Verdict.TIE),
        (-0.2, -0.01, Verdict.REJECT),
    ],
)
def test_the_interval_decides(low: float, high: float, wanted: Verdict) -> None:
    assert judge(Difference((low + high) / 2, low, high, 0.01, "given")) is wanted


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.6, 0.9])
def test_two_equal_prompts_are_rarely_told_apart(rate: float) -> None:
    """A/A at 95 % confidence: 5 % of verdicts may say anything but tie, half of them promote.

    The true rates here are at most 4.7 % and 2.4 % (400,000 simulated pairs each); two standard errors are allowed.
    """
    found = [verdict(seed, rate, rate) for seed in range(SEEDS)]
    for wrong, allowed in ((found.count(Verdict.PROMOTE), 0.025), (SEEDS - found.count(Verdict.TIE), 0.05)):
        assert wrong / SEEDS <= allowed + 2 * math.sqrt(allowed * (1 - allowed) / SEEDS)


def test_a_better_prompt_is_promoted_and_a_worse_one_rejected() -> None:
    better = [verdict(seed, 0.85, 0.70) for seed in range(60)]
    worse = [verdict(seed, 0.70, 0.85) for seed in range(60)]
    assert better.count(Verdict.PROMOTE) >= 55
    assert worse.count(Verdict.REJECT) >= 55


def test_a_prompt_against_itself_is_a_tie() -> None:
    card = label_card("accuracy", ["yes"] * 100, ["yes"] * 80 + ["no"] * 20)
    found = paired_difference(card, card)
    assert judge(found) is Verdict.TIE
    assert (found.score, found.p) == (0, 1)

"""Paired racing: a prompt ends early when its items alone show that another one is better on all of dev.

Of the share of right answers; `studies/corpus.py` does it for scores that are no mean over examples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.studies.measured import MeasuredTrials

Floats = NDArray[np.float64]
_CAUTION = 0.75
"""Share of the largest bet that cannot ruin."""
_VARIANCE, _STRENGTH = 0.25, 4.0
"""Before there are data the variance of a difference is taken to be this, with the weight of so many examples."""
_STEEPEST = 0.5
"""Largest slope of the control variate."""


class Racing:
    """A trial is stopped when it is shown to be worse, on all of dev, than a trial of its kind that got as far.

    Promise: for prompts that do not depend on dev, the best of a kind is stopped in at most a share `error` of
    searches, however often and whenever anybody looks. What is counted on is the seeded order of dev alone, which is
    random by design; nothing is assumed of prompts or examples. Prompts that a sampler proposes after seeing dev bend
    the promise a little, as they bend every test on dev.

    Evidence against a trial is a capital that grows while a rival keeps winning (`wealth`). Under the hypothesis that
    the trial is the best, the mean capital over all its rivals is a martingale from 1 on, so it ever reaches 1 / error
    with probability `error` at most (Ville 1939). Rivals that have not got as far count as nothing, which can only
    make the mean smaller.

    Args:
        measured: The record of the study.
        error: Share of searches in which the best may be lost.
        trials: Most trials of a search: all but one are rivals.
        rungs: Dev examples per rung.
    """

    reads_examples = True

    def __init__(self, measured: MeasuredTrials, error: float, trials: int, rungs: Sequence[int]) -> None:
        if not rungs:
            raise ConfigError("study.pruner: racing needs the rungs of the search")
        self._measured = measured
        self._needed, self._all = max(1, trials - 1) / error, rungs[-1]

    def stops(self, number: int, examples: int) -> bool:
        """See `Pruner.stops`. A trial whose examples are not known is never stopped."""
        mine = self._measured.evidence(number, examples)
        rivals = self._measured.rivals(number, examples) if mine else {}
        if mine is None or not rivals:
            return False
        gaps = np.array([rival.scores[:examples] for rival in rivals.values()]) - mine.scores[:examples]
        return float(wealth(gaps, self._all, self._control).sum()) >= self._needed

    @property
    def _control(self) -> Floats | None:
        """How sure the baseline was of the right answer, which is known of all of dev before anybody else starts."""
        baseline = self._measured.evidence(0, self._all)
        return None if baseline is None or baseline.margins is None else np.tanh(baseline.margins / 2)


def wealth(gaps: Floats, total: int, control: Floats | None = None) -> Floats:
    """Capital of a bettor that the mean gap over all `total` examples is above zero, after seeing the first of them.

    Where it is not above zero, and the order is random, the capital is a supermartingale that starts at 1: it ever
    reaches c with probability 1/c at most, whenever one looks. It is Waudby-Smith and Ramdas's (2024, J. R. Stat.
    Soc. B 86:1, sections 4 and 5) betting on the mean of a finite population without replacement: what is still to
    come must on average make up for the lead so far, and a bet against that is fair. Once nothing can make up for it
    any more the capital is infinite.

    Args:
        gaps: [pairs, examples]: of the first examples, between -1 and 1.
        total: Examples of the population.
        control: Of every example of the population, known in advance: its deviation from the mean of what is still to
            come is zero on average, so taking off what it explains of a gap keeps the bet fair and makes it surer.
    """
    pairs, seen = gaps.shape
    ahead = _Ahead(control if control is not None and len(control) == total else np.zeros(total))
    past, log_capital, lead = _Past(pairs), np.zeros(pairs), np.zeros(pairs)
    for look in range(seen):
        gap, fair = gaps[:, look], -lead / (total - look)
        slope = past.slope
        news = ahead.news[look]
        worst = 1.0 + fair + np.maximum(slope * ahead.above[look], slope * ahead.below[look])
        bet = np.where(worst > 0, np.minimum(past.bet(fair), _CAUTION / np.maximum(worst, 1e-9)), 0.0)
        log_capital += np.log1p(bet * np.maximum(gap - fair - slope * news, -worst))
        lead = lead + gap
        past.add(gap, slope, news)
    return np.where(lead > total - seen, np.inf, np.exp(np.minimum(log_capital, 700.0)))


class _Ahead:
    """The control variate, seen from each place on: by how much it deviates from the mean of what is to come."""

    def __init__(self, control: Floats) -> None:
        back = control[::-1]
        means = back.cumsum()[::-1] / np.arange(len(control), 0, -1)
        self.news = control - means
        """[examples]: of the next example."""
        self.above = np.maximum.accumulate(back)[::-1] - means
        self.below = np.minimum.accumulate(back)[::-1] - means
        """[examples]: of the extreme ones that may come next."""


class _Past:
    """What earlier gaps say about how much to bet; never looks at the next one."""

    def __init__(self, pairs: int) -> None:
        self._n, self._spread = 0, 0.0
        self._sum, self._squares, self._cross = (np.zeros(pairs) for _ in range(3))

    def add(self, gap: Floats, slope: Floats, news: float) -> None:
        self._n += 1
        rest = gap - slope * news
        self._sum += rest
        self._squares += rest * rest
        self._cross += gap * news
        self._spread += news * news

    @property
    def slope(self) -> Floats:
        """Slope of gaps on the control variate, drawn towards zero while little is known."""
        return np.clip(self._cross / (self._spread + _STRENGTH), -_STEEPEST, _STEEPEST)

    def bet(self, fair: Floats) -> Floats:
        """Near the best constant bet against `fair` (aGRAPA), never for the other side."""
        strength = self._n + _STRENGTH
        mean = self._sum / strength
        variance = (self._squares + _STRENGTH * _VARIANCE) / strength - mean * mean
        edge = mean - fair
        return np.maximum(0.0, edge / (variance + edge * edge))

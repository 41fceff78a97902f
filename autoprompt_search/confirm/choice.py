"""The choice on dev: the cheapest prompt that cannot be told from the best, if the best is more than lucky.

Knows no test split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.selection import luck
from autoprompt_search.core.stats import paired_stderr
from autoprompt_search.core.types import TrialRecord
from autoprompt_search.studies.ranking import ranked, standing

_ROUNDING = 1e-9
"""Two prompts that differ on one example are exactly one standard error apart; float rounding must not decide."""
ONE_STANDARD_ERROR = 0.159
"""How often a normal variable is more than one standard error above its mean."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What dev says."""

    record: TrialRecord
    """The trial whose prompt is chosen."""
    tied: frozenset[int]
    """Numbers of the trials that cannot be told from the best, and of the chosen one."""
    luck: float
    """How often luck alone would give the best of so many prompts such a lead over the baseline; 1 without a lead."""


def rank(records: Sequence[TrialRecord]) -> tuple[TrialRecord, list[TrialRecord]]:
    """The baseline, and all trials that saw all of dev, best first: by score, then by loss, then the older."""
    done = ranked(records)
    baseline = next((r for r in done if r.number == 0), None)
    if baseline is None:
        reason = next((r.error for r in records if r.number == 0), "it was never run")
        raise SearchError(f"the baseline prompt (trial 0) has no score, so nothing can be compared with it: {reason}")
    return baseline, done


def choose(
    candidates: Sequence[TrialRecord],
    baseline: TrialRecord,
    tried: int,
    values: Callable[[TrialRecord], Sequence[float]],
    is_eligible: Callable[[TrialRecord], bool] = lambda _: True,
) -> Choice:
    """The baseline, unless the best dev score is more than luck; then the cheapest in a statistical tie with it.

    A baseline that is not eligible cannot stay, however little the best leads it.

    The best of many noisy scores is high by nature, so its lead over the baseline is held against the best of as
    many prompts that are no better than the baseline (`luck`). The lead is evidence enough where luck alone would
    give it as seldom as it puts one prompt one standard error ahead: the one-standard-error rule of Breiman et al.
    (1984, Classification and Regression Trees, section 3.4.3), which for a single candidate this is, made aware
    of the number of candidates.

    Tied means: not more than one standard error of the paired difference below the best dev score.

    Args:
        candidates: From `rank`, best first; the baseline is eligible.
        baseline: Among the candidates or not. Raises `SearchError` where none of them is eligible.
        tried: Prompts beside the baseline that were measured at all, on however little of dev.
        values: What every dev example adds to a prompt's score.
        is_eligible: Whether a prompt may be chosen; asked only of those that would be.
    """
    leader = next((r for r in candidates if is_eligible(r)), None)
    if leader is None:
        raise SearchError("no prompt that was measured on all of dev may be chosen")
    top = values(leader)

    def is_tied(record: TrialRecord) -> bool:
        gap = leader.measurements[-1].score - record.measurements[-1].score
        return gap <= paired_stderr(top, values(record)) + _ROUNDING and is_eligible(record)

    tied = [r for r in candidates if is_tied(r)]
    numbers = frozenset(r.number for r in tied)
    by_luck = _luck(candidates, leader, baseline, tried, values)
    if by_luck > ONE_STANDARD_ERROR and is_eligible(baseline):
        return Choice(baseline, numbers | {baseline.number}, by_luck)
    return Choice(min(tied, key=lambda r: (round(r.measurements[-1].prompt_tokens, 1), *standing(r))), numbers, by_luck)


def _luck(
    candidates: Sequence[TrialRecord],
    leader: TrialRecord,
    baseline: TrialRecord,
    tried: int,
    values: Callable[[TrialRecord], Sequence[float]],
) -> float:
    others = [r for r in candidates if r.number != baseline.number]
    if leader not in others:
        return 1.0
    ours, theirs = np.array([values(r) for r in others], dtype=float), np.array(values(baseline), dtype=float)
    return luck((ours - theirs).T, others.index(leader), tried)


def shortlist(candidates: Sequence[TrialRecord], chosen: TrialRecord, count: int) -> list[TrialRecord]:
    """The `count` best by dev score; the chosen one is among them, in the last place if it has no better one."""
    best = list(candidates[:count])
    return best if chosen in best else [*best[:-1], chosen]

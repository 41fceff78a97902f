"""What a higher score costs in use: the prompts of a search that no other prompt of it makes pointless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.statistics.scores import Interval

_NOTICEABLE = 0.1
"""Share by which one latency must be below another to be shorter: timings of single prompts differ by some percent."""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One prompt of the front."""

    record: TrialRecord
    dev: Interval
    """Its score on all of dev. It was picked for that score, among others: believe the test score of finalists."""
    keeps_limits: bool
    is_chosen: bool


def pareto(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that none dominates in score, prompt tokens and latency, the cheapest in tokens first.

    One dominates another where it is as good in all three and better in one (Pareto). Of latencies only differences of
    a tenth count, and an unknown one is as good as any. Of prompts that are equal in all the older stays.

    Args:
        records: Trials that saw all of dev.
    """
    kept = [r for r in records if not any(_dominates(other, r) for other in records if other is not r)]
    return sorted(kept, key=lambda r: (r.measurements[-1].prompt_tokens, r.number))


def _dominates(one: TrialRecord, other: TrialRecord) -> bool:
    ours, theirs = one.measurements[-1], other.measurements[-1]
    tokens, others_tokens = round(ours.prompt_tokens, 1), round(theirs.prompt_tokens, 1)
    quicker, slower = _is_shorter(ours.latency_ms, theirs.latency_ms), _is_shorter(theirs.latency_ms, ours.latency_ms)
    if ours.score < theirs.score or tokens > others_tokens or slower:
        return False
    return ours.score > theirs.score or tokens < others_tokens or quicker or one.number < other.number


def _is_shorter(ours: float | None, theirs: float | None) -> bool:
    return ours is not None and theirs is not None and ours < (1 - _NOTICEABLE) * theirs

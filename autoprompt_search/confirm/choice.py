"""The choice on dev: the cheapest prompt that cannot be told from the best, if the best is better than the baseline.

Knows no test split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.ranking import ranked, standing
from autoprompt_search.core.statistics.scores import Difference, paired_stderr
from autoprompt_search.core.statistics.shrinkage import Lead, Shrinkage

_ROUNDING = 1e-9
"""Two prompts that differ on one example are exactly one standard error apart; float rounding must not decide."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The choice on dev, and what it rests on."""

    record: TrialRecord
    """The trial whose prompt is chosen."""
    tied: frozenset[int]
    """Numbers of the trials that cannot be told from the best, and of the chosen one."""
    lead: Lead
    """Lead of the best prompt over the baseline."""
    gains: Mapping[int, Difference] = field(default_factory=dict)
    """Soft trial -> soft prompt minus its own text, for those whose eligibility depended on it."""


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
    shrunk: Shrinkage,
    values: Callable[[TrialRecord], Doubles],
    is_eligible: Callable[[TrialRecord], bool] = lambda _: True,
) -> Choice:
    """The baseline, unless the best prompt's lead is real; then the cheapest in a statistical tie with the best.

    A baseline that is not eligible cannot stay, however little the best leads it.

    The best of many noisy scores is high by nature, so its lead over the baseline counts for what is left of it once
    it is shrunk by what all trials say of how far prompts differ: real is what is then one standard error above none
    (`Shrinkage`, `Lead`). Where prompts differ by little, as they do where the search has nothing to find, next to
    nothing is left; where they differ much, a small dev set is enough. A test against the best of as many prompts
    that are no better than the baseline, as careful as that may be, passes over much of what can be gained from few
    examples (`benchmarks/choosing.py`).

    Tied means: not more than one standard error of the paired difference below the best dev score: the
    one-standard-error rule of Breiman et al. (1984, Classification and Regression Trees, section 3.4.3).

    Args:
        candidates: From `rank`, best first; the baseline is eligible.
        baseline: Among the candidates or not. Raises `SearchError` where none of them is eligible.
        shrunk: Of all trials of the search.
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
    lead = shrunk.lead(leader.measurements[-1].score - baseline.measurements[-1].score, len(top))
    if not lead.is_real and is_eligible(baseline):
        return Choice(baseline, numbers | {baseline.number}, lead)
    return Choice(min(tied, key=lambda r: (round(r.measurements[-1].prompt_tokens, 1), *standing(r))), numbers, lead)


def shortlist(candidates: Sequence[TrialRecord], chosen: TrialRecord, count: int) -> list[TrialRecord]:
    """The `count` best by dev score; the chosen one is among them, in the last place if it has no better one."""
    best = list(candidates[:count])
    return best if chosen in best else [*best[:-1], chosen]

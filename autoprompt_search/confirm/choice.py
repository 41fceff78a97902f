"""The choice on dev: the cheapest prompt that cannot be told from the best. Knows no test split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.stats import paired_stderr
from autoprompt_search.core.types import TrialRecord
from autoprompt_search.studies.ranking import ranked, standing

_ROUNDING = 1e-9
"""Two prompts that differ on one example are exactly one standard error apart; float rounding must not decide."""


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
    hits: Callable[[TrialRecord], Sequence[bool]],
    is_eligible: Callable[[TrialRecord], bool] = lambda _: True,
) -> tuple[TrialRecord, set[int]]:
    """The cheapest prompt within a statistical tie with the best, and the numbers of all that are tied.

    Tied means: not more than one standard error of the paired difference below the best dev score, the
    one-standard-error rule of Breiman et al. (1984, Classification and Regression Trees, section 3.4.3).

    Args:
        candidates: From `rank`, best first; one at least is eligible.
        hits: Per dev example whether a prompt was right.
        is_eligible: Whether a prompt may be chosen; asked only of those that would be.
    """
    leader = next(r for r in candidates if is_eligible(r))
    top = hits(leader)

    def is_tied(record: TrialRecord) -> bool:
        gap = leader.measurements[-1].score - record.measurements[-1].score
        return gap <= paired_stderr(top, hits(record)) + _ROUNDING and is_eligible(record)

    tied = [r for r in candidates if is_tied(r)]
    cheapest = min(tied, key=lambda r: (round(r.measurements[-1].prompt_tokens, 1), *standing(r)))
    return cheapest, {r.number for r in tied}


def shortlist(candidates: Sequence[TrialRecord], chosen: TrialRecord, count: int) -> list[TrialRecord]:
    """The `count` best by dev score; the chosen one is among them, in the last place if it has no better one."""
    best = list(candidates[:count])
    return best if chosen in best else [*best[:-1], chosen]

"""The choice on dev: the prompt of the highest expected score, if it is better than the baseline.

Knows no test split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.measurements import Measurement, TrialRecord
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
    leader: TrialRecord
    """The trial with the highest score on dev among those that may be chosen."""
    tied: frozenset[int]
    """Numbers of the trials within one standard error (paired) of the best, and of the baseline if it stays: the
    one-standard-error rule of Breiman et al. (1984, Classification and Regression Trees, section 3.4.3)."""
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
    tolerance: float = 0.0,
) -> Choice:
    """The baseline, unless the best prompt's lead is real; then the best, or a cheaper one that loses next to nothing.

    A baseline that is not eligible cannot stay, however little the best leads it.

    The best of many noisy scores is high by nature, so its lead over the baseline counts for what is left of it once
    it is shrunk by what all trials say of how far prompts differ: real is a lead that the best prompt has with a
    chance of three in five (`Shrinkage`, `Lead`). Where prompts differ by little, as they do where the search has
    nothing to find, next to nothing is left; where they differ much, a small dev set is enough. A more careful rule
    passes over much of what can be gained from few examples, and one that takes the highest score whatever it leads
    by often ends below a good baseline (`benchmarks/choosing.py`).

    Args:
        candidates: From `rank`, best first; the baseline is eligible.
        baseline: Among the candidates or not. Raises `SearchError` where none of them is eligible.
        shrunk: Of all trials of the search.
        values: What every dev example adds to a prompt's score.
        is_eligible: Whether a prompt may be chosen; asked only of those that would be.
        tolerance: Score that a cheaper prompt, by `running_cost`, may be expected to lose against the best, once their
            difference is shrunk as the lead is.
    """
    leader = next((r for r in candidates if is_eligible(r)), None)
    if leader is None:
        raise SearchError("no prompt that was measured on all of dev may be chosen")
    top = values(leader)

    def behind(record: TrialRecord) -> float:
        return leader.measurements[-1].score - record.measurements[-1].score

    others = candidates[candidates.index(leader) :]
    tied = frozenset(r.number for r in others if behind(r) <= paired_stderr(top, values(r)) + _ROUNDING)
    lead = shrunk.lead(behind(baseline), len(top))
    if not lead.is_real and is_eligible(baseline):
        return Choice(baseline, leader, tied | {baseline.number}, lead)

    def is_near(record: TrialRecord) -> bool:
        return shrunk.lead(behind(record), len(top)).expected <= tolerance + _ROUNDING and is_eligible(record)

    near = [r for r in others if is_near(r)]
    chosen = min(near, key=lambda r: (running_cost(r.measurements[-1]), *standing(r)))
    return Choice(chosen, leader, tied, lead)


def running_cost(measurement: Measurement) -> float:
    """What decides which of two prompts is the cheaper one: the price of a prediction where the model has prices, with
    what its server caches counted as that; else its length."""
    if measurement.price is not None:
        return round(measurement.price, 9)
    return round(measurement.prompt_tokens, 1)


def shortlist(candidates: Sequence[TrialRecord], chosen: TrialRecord, count: int) -> list[TrialRecord]:
    """The `count` best by dev score; the chosen one is among them, in the last place if it has no better one."""
    best = list(candidates[:count])
    return best if chosen in best else [*best[:-1], chosen]

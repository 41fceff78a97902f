"""What has to be said before the verdict: a prompt that is no better than guessing, or that always says the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from autoprompt_search.core.measurements import Outcome
from autoprompt_search.report.data import ReportData
from autoprompt_search.report.wording import count, number, percent

_SAME = 0.98
"""From this share of one answer on, answers count as all the same."""
_SURE = 1.96
"""Standard errors above guessing that a prompt must be."""
_FEWEST = 20


def alerts(data: ReportData) -> tuple[str, ...]:
    """Sentences that come first, each with what to do; () where there is nothing to warn of."""
    outcomes = data.best_outcomes
    if not data.labels or len(outcomes) < _FEWEST:
        return ()
    warnings = [_one_answer(outcomes), _guessing(outcomes)]
    said = [one for one in warnings if one]
    return (*said, _ADVICE) if said else ()


_ADVICE = (
    "What to do: look at the prompts that autoprompt-search check shows (is the text cut, is the question plain?); "
    "try other label words, and the parameter calibration, which takes a model's bent for one label away; search "
    "demonstrations and soft prompts as well; or take a larger model, or one that was trained to follow instructions."
)


def _one_answer(outcomes: Sequence[Outcome]) -> str:
    said, times = Counter(o.prediction for o in outcomes).most_common(1)[0]
    gold = Counter(o.target for o in outcomes)
    if times < _SAME * len(outcomes) or max(gold.values()) >= _SAME * len(outcomes):
        return ""
    shown = f"“{said}”" if said else "nothing that can be read"
    return (
        f"The best prompt answers {shown} to {count(times)} of {count(len(outcomes))} test examples "
        f"({percent(times / len(outcomes))}): it hardly looks at the text."
    )


def _guessing(outcomes: Sequence[Outcome]) -> str:
    total = len(outcomes)
    label, most = Counter(o.target for o in outcomes).most_common(1)[0]
    guess, right = most / total, sum(o.is_right for o in outcomes) / total
    if right > guess + _SURE * math.sqrt(guess * (1 - guess) / total):
        return ""
    return (
        f"This search ended at chance level: the best prompt is right on {number(right)} of the test examples, and "
        f"always answering “{label}” would be right on {number(guess)}."
    )

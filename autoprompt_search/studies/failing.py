"""When failures are not those of single trials: the search cannot work and should say so at once."""

from __future__ import annotations

import re
from collections.abc import Mapping

from autoprompt_search.core.errors import SystemicError
from autoprompt_search.core.measurements import TrialRecord, TrialState

_SAME_FAILURE = 3
"""So many first trials failing for one reason end the search."""


def check_systemic(ended: Mapping[int, TrialRecord]) -> None:
    """Raise `SystemicError` where the baseline failed, or all of the first trials for one reason.

    Args:
        ended: Trials by number.
    """
    if 0 in ended and ended[0].state is TrialState.FAILED:
        raise SystemicError(f"the baseline failed, and nothing can be compared with it: {ended[0].error}")
    if len(ended) < _SAME_FAILURE or any(r.state is not TrialState.FAILED for r in ended.values()):
        return
    if len({_gist(r.error) for r in ended.values()}) == 1:
        raise SystemicError(f"the first {len(ended)} trials all failed in the same way: {ended[min(ended)].error}")


def _gist(error: str) -> str:
    """An error without the numbers in it and the machine it happened on, so that equal reasons look equal."""
    first = error.splitlines()[0] if error else ""
    return re.sub(r"\d+", "#", re.sub(r" \(on [^\s()]+\)$", "", first))

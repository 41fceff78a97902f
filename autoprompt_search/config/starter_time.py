"""How long a first search will take: a few seconds with the model, on this machine. Loads weights."""

from __future__ import annotations

import time

from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.prices import final_passes
from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.protocols.model import Backend
from autoprompt_search.core.types import Splits
from autoprompt_search.evaluate import predict

_SECONDS = 10.0
"""Of the trial, loading not included; the last batch is finished."""
_BATCH = 8
_LONG = 2 * 3600
"""Seconds beyond which it is said what takes less."""


def seconds_per_prompt(config: SearchConfig, splits: Splits, form: AnswerForm, backend: Backend) -> float | None:
    """Seconds of the baseline's prompt, on dev examples in the order of the rungs; None where it fails."""
    prompt = config.book(form).compose(config.space.baseline(config.baseline))
    examples = list(splits.dev)
    try:
        predict(prompt, examples[:1], backend)  # loads the weights
        began, read = time.perf_counter(), 0
        for start in range(1, len(examples), _BATCH):
            read += len(predict(prompt, examples[start : start + _BATCH], backend).outcomes)
            if time.perf_counter() - began > _SECONDS:
                break
    except TrialError:
        return None
    return (time.perf_counter() - began) / read if read else None


def time_note(config: SearchConfig, splits: Splits, seconds: float) -> str:
    """The budget as time at so many seconds per prompt."""
    passes = config.budget.bought({}) or 0
    final = final_passes(config, splits)
    whole = seconds * (passes + final)
    said = (
        f"one prompt takes {_spelled(seconds)} here: the budget ({config.budget.spelled(config.rungs)}) and the final "
        f"test ({final:,}) take about {_spelled(whole)}, more with demonstrations, less side by side"
    )
    return said + ("; a smaller budget or test split takes less" if whole > _LONG else "")


def _spelled(seconds: float) -> str:
    """`8 ms`, `1.4 s`, `12 minutes`, `3.5 hours`."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.2g} hours"

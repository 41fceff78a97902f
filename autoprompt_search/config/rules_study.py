"""Rules of the study: budgets, samplers and pruners that fit the space and the metric."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.metrics import is_metric, metric_named
from autoprompt_search.studies.pruner_names import FOR_MEANS


def study_rules(draft: Draft) -> Iterator[Problem]:
    """Broken rules of `study` and of what it goes by."""
    yield from _passes(draft)
    if draft.is_sound("study") and draft.config.study.type == "optuna":
        yield from _means(draft)
        yield from _sampler(draft)


def _option(draft: Draft, name: str, default: str) -> Any:
    return draft.config.study.options.get(name, default)


def _passes(draft: Draft) -> Iterator[Problem]:
    passes, first = draft.config.budget.most_passes, draft.config.rungs[0]
    if draft.is_sound("budget", "rungs") and passes is not None and passes < first:
        text = f"must pay for one prompt on the first rung, {first} (got {passes})"
        yield Problem(("budget", "passes"), f"budget.passes: {text}")


def _means(draft: Draft) -> Iterator[Problem]:
    """Pruners that compare examples one by one, or add them up, where the score is no mean over examples."""
    task, pruner = draft.task, _option(draft, "pruner", "halving")
    if not draft.is_sound("task") or task is None or not is_metric(task.metric):
        return
    if pruner in FOR_MEANS and not metric_named(task.metric, ()).is_mean:
        text = f"takes a score for the mean of its examples, which {task.metric} is not (task.metric)"
        yield Problem(("study", "pruner"), f"study.pruner: {text} (got {pruner}); racing, halving and none fit")


def _sampler(draft: Draft) -> Iterator[Problem]:
    """A sampler that has nothing to do, or not what it needs."""
    sampler, numbers = _option(draft, "sampler", "tpe"), draft.config.space.numbers
    is_whole = draft.is_sound("space") and not any(name.startswith("space.") for name in draft.broken)
    if sampler == "cma" and is_whole and len(numbers) < 2:
        text = (
            f"cma adapts numbers to each other, and the space has {', '.join(numbers) or 'none'} open: use tpe or auto"
        )
        yield Problem(("study", "sampler"), f"study.sampler: {text}")
    if sampler == "surrogate" and _option(draft, "scores", "modelled") == "told":
        text = "surrogate weighs every score by its own error: leave it out or say modelled (got told)"
        yield Problem(("study", "scores"), f"study.scores: {text}")

"""Rules of metrics: names that are registered, with options that they take."""

from __future__ import annotations

from collections.abc import Iterator

from autoprompt_search.config.validation import Problem
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.metric_names import metric_spec
from autoprompt_search.core.registry import ComponentSpec, option_problems, unknown
from autoprompt_search.metrics import METRICS


def metric_problems(task: ComponentSpec) -> Iterator[Problem]:
    """What is wrong with `task.metric` and `task.metrics`, as far as they are metrics at all."""
    written = task.options.get("metrics")
    further = [("metrics", metric) for metric in written] if isinstance(written, list) else []
    for option, metric in [("metric", task.options.get("metric")), *further]:
        if isinstance(metric, (str, dict)):
            yield from (Problem(("task", option), f"task.{option}: {line}") for line in _lines(metric))


def _lines(metric: str | dict[str, str | int | float | bool]) -> list[str]:
    try:
        spec = metric_spec(metric)
    except ConfigError as exc:
        return [line.removeprefix("metric: ") for line in exc.problems]
    if spec.type not in METRICS.names():
        return [unknown("metric", spec.type, METRICS.names())]
    known = METRICS.signature(spec.type, ("labels",)).options
    return option_problems(spec.type, spec.options, known)

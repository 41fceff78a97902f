"""Metrics of predicted labels, by name."""

from collections.abc import Sequence

from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.registry import ComponentSpec, Registry

METRICS: Registry[Metric] = Registry(
    "metrics",
    {
        "accuracy": "autoprompt_search.metrics.classification:accuracy",
        "balanced_accuracy": "autoprompt_search.metrics.classification:balanced_accuracy",
        "macro_f1": "autoprompt_search.metrics.classification:macro_f1",
        "macro_precision": "autoprompt_search.metrics.classification:macro_precision",
        "macro_recall": "autoprompt_search.metrics.classification:macro_recall",
        "mcc": "autoprompt_search.metrics.classification:mcc",
    },
)


def metric_named(name: str, labels: Sequence[str]) -> Metric:
    """The metric registered as `name`, for a task with these labels."""
    return METRICS.build(ComponentSpec(type=name), labels=tuple(labels))

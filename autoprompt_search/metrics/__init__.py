"""Metrics of predicted labels, by name."""

from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.registry import Registry

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

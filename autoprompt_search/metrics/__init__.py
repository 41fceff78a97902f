"""Metrics of answers, by name."""

from collections.abc import Sequence

from autoprompt_search.core.metric_names import metric_spec
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
        "micro_f1": "autoprompt_search.metrics.classification:micro_f1",
        "micro_precision": "autoprompt_search.metrics.classification:micro_precision",
        "micro_recall": "autoprompt_search.metrics.classification:micro_recall",
        "weighted_f1": "autoprompt_search.metrics.classification:weighted_f1",
        "weighted_precision": "autoprompt_search.metrics.classification:weighted_precision",
        "weighted_recall": "autoprompt_search.metrics.classification:weighted_recall",
        "samples_f1": "autoprompt_search.metrics.classification:samples_f1",
        "subset_accuracy": "autoprompt_search.metrics.classification:subset_accuracy",
        "one_minus_ece": "autoprompt_search.metrics.calibration:one_minus_ece",
        "exact_match": "autoprompt_search.metrics.text:exact_match",
        "length": "autoprompt_search.metrics.text:length",
        "bleu": "autoprompt_search.metrics.text:bleu",
        "chrf": "autoprompt_search.metrics.text:chrf",
        "rouge1": "autoprompt_search.metrics.text:rouge1",
        "rouge2": "autoprompt_search.metrics.text:rouge2",
        "rouge_l": "autoprompt_search.metrics.text:rouge_l",
        "rouge_lsum": "autoprompt_search.metrics.text:rouge_lsum",
        "squad_em": "autoprompt_search.metrics.squad:squad_em",
        "squad_f1": "autoprompt_search.metrics.squad:squad_f1",
        "squad2_em": "autoprompt_search.metrics.squad:squad2_em",
        "squad2_f1": "autoprompt_search.metrics.squad:squad2_f1",
        "pass_at_1": "autoprompt_search.metrics.programs:pass_at_1",
        "compile_rate": "autoprompt_search.metrics.programs:compile_rate",
        "ended_rate": "autoprompt_search.metrics.programs:ended_rate",
        "numeric_equality": "autoprompt_search.metrics.numeric:numeric_equality",
    },
)


def metric_named(name: str, labels: Sequence[str]) -> Metric:
    """The metric of this name, which may have options (`bleu(tokenize=zh)`), for a task with these labels."""
    return METRICS.build(metric_spec(name), labels=tuple(labels))


def is_metric(name: str) -> bool:
    """Whether a metric is registered under the name, whatever its options."""
    return metric_spec(name).type in METRICS.names()

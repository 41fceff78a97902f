"""Metrics of predicted label names. scikit-learn is loaded by the first metric that needs it; accuracy does not."""

from __future__ import annotations

from collections.abc import Sequence

Labels = Sequence[str]


def accuracy(targets: Labels, predictions: Labels, labels: Labels) -> float:  # noqa: ARG001
    """Share of right predictions, in [0, 1]."""
    return sum(map(str.__eq__, targets, predictions)) / len(targets)


def balanced_accuracy(targets: Labels, predictions: Labels, labels: Labels) -> float:
    """Mean recall of the labels that occur among the targets, in [0, 1]."""
    from sklearn.metrics import recall_score

    present = _present(labels, targets)
    return float(recall_score(targets, predictions, labels=present, average="macro", zero_division=0))


def macro_f1(targets: Labels, predictions: Labels, labels: Labels) -> float:
    """Mean F1 of the labels that occur among targets or predictions, in [0, 1].

    A label that occurs in neither says nothing about the predictions; with it a perfect
    prediction of a small rung would score below 1.
    """
    from sklearn.metrics import f1_score

    present = _present(labels, targets, predictions)
    return float(f1_score(targets, predictions, labels=present, average="macro", zero_division=0))


def macro_precision(targets: Labels, predictions: Labels, labels: Labels) -> float:
    """Mean precision of the labels that occur among targets or predictions, in [0, 1]."""
    from sklearn.metrics import precision_score

    present = _present(labels, targets, predictions)
    return float(precision_score(targets, predictions, labels=present, average="macro", zero_division=0))


def macro_recall(targets: Labels, predictions: Labels, labels: Labels) -> float:
    """Mean recall of the labels that occur among targets or predictions, in [0, 1].

    Differs from `balanced_accuracy` where a label is predicted that no target has: it counts as 0 here.
    """
    from sklearn.metrics import recall_score

    present = _present(labels, targets, predictions)
    return float(recall_score(targets, predictions, labels=present, average="macro", zero_division=0))


def mcc(targets: Labels, predictions: Labels, labels: Labels) -> float:  # noqa: ARG001
    """Matthews correlation coefficient, in [-1, 1]; 0 where targets or predictions are all alike.

    Of several labels it is Gorodkin's R_K (2004, Comput. Biol. Chem. 28:367).
    """
    from sklearn.metrics import matthews_corrcoef

    if len(set(targets)) == 1 or len(set(predictions)) == 1:
        return 0.0
    return float(matthews_corrcoef(targets, predictions))


def per_class(targets: Labels, predictions: Labels, labels: Labels) -> dict[str, dict[str, float]]:
    """Label -> `precision`, `recall`, `f1` and `support` (number of targets), for every label; 0 where undefined."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(targets, predictions, labels=list(labels), zero_division=0)
    names = ("precision", "recall", "f1", "support")
    return {
        label: {name: float(column[i]) for name, column in zip(names, columns, strict=True)}
        for i, label in enumerate(labels)
    }


def confusion(targets: Labels, predictions: Labels, labels: Labels) -> tuple[tuple[int, ...], ...]:
    """Counts [target, prediction], both in the order of `labels`."""
    places = {label: i for i, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for target, prediction in zip(targets, predictions, strict=True):
        counts[places[target]][places[prediction]] += 1
    return tuple(map(tuple, counts))


def _present(labels: Labels, *seen: Labels) -> list[str]:
    occurring = {name for names in seen for name in names}
    return [label for label in labels if label in occurring]

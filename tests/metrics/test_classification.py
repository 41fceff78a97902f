"""Metrics: the contract of each, known values, and that accuracy needs no scikit-learn."""

import subprocess
import sys

import pytest

from autoprompt_search.core.protocols import Metric
from autoprompt_search.metrics import METRICS
from autoprompt_search.metrics import classification as metrics
from autoprompt_search.testing.metric_contract import MetricContract

TARGETS = ["a", "a", "a", "b", "b", "c"]
PREDICTIONS = ["a", "a", "b", "b", "a", "c"]
LABELS = ("a", "b", "c")


class TestAccuracy(MetricContract):
    def make(self) -> Metric:
        return METRICS.load("accuracy")


class TestBalancedAccuracy(MetricContract):
    def make(self) -> Metric:
        return METRICS.load("balanced_accuracy")


class TestMacroF1(MetricContract):
    def make(self) -> Metric:
        return METRICS.load("macro_f1")


class TestMacroPrecision(MetricContract):
    def make(self) -> Metric:
        return METRICS.load("macro_precision")


class TestMacroRecall(MetricContract):
    def make(self) -> Metric:
        return METRICS.load("macro_recall")


class TestMcc(MetricContract):
    low = -1.0

    def make(self) -> Metric:
        return METRICS.load("mcc")


def test_every_registered_metric_has_its_contract_here():
    here = {c.__name__.removeprefix("Test").lower() for c in MetricContract.__subclasses__()}
    assert {name.replace("_", "") for name in METRICS.names()} <= here


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 4 / 6),
        ("balanced_accuracy", (2 / 3 + 1 / 2 + 1) / 3),
        ("macro_precision", (2 / 3 + 1 / 2 + 1) / 3),
        ("macro_recall", (2 / 3 + 1 / 2 + 1) / 3),
        ("macro_f1", (2 / 3 + 1 / 2 + 1) / 3),
    ],
)
def test_known_values(name, value):
    assert METRICS.load(name)(TARGETS, PREDICTIONS, LABELS) == pytest.approx(value)


def test_mcc_of_two_labels_is_the_phi_coefficient():
    targets, predictions = ["a"] * 4 + ["b"] * 6, ["a"] * 3 + ["b"] * 5 + ["a"] * 2
    tp, fn, fp, tn = 3, 1, 2, 4
    phi = (tp * tn - fp * fn) / ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    assert metrics.mcc(targets, predictions, ("a", "b")) == pytest.approx(phi)


def test_mcc_of_answers_all_alike_is_zero():
    assert metrics.mcc(["a", "b"], ["a", "a"], LABELS) == 0.0
    assert metrics.mcc(["a", "a"], ["a", "b"], LABELS) == 0.0


def test_a_label_that_is_only_predicted_lowers_macro_recall_but_not_balanced_accuracy():
    targets, predictions = ["a", "a", "b", "b"], ["a", "a", "b", "c"]
    assert metrics.balanced_accuracy(targets, predictions, LABELS) == pytest.approx(0.75)
    assert metrics.macro_recall(targets, predictions, LABELS) == pytest.approx(0.5)


def test_a_label_that_never_occurs_does_not_count():
    assert metrics.macro_f1(["a", "b"], ["a", "b"], LABELS) == 1.0


def test_per_class_has_every_label():
    found = metrics.per_class(TARGETS, PREDICTIONS, (*LABELS, "d"))
    assert list(found) == ["a", "b", "c", "d"]
    assert found["a"] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3})
    assert found["d"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0.0}


def test_confusion_counts_targets_by_row():
    found = metrics.confusion([*TARGETS, "c"], [*PREDICTIONS, "a"], LABELS)
    assert found == ((2, 1, 0), (1, 1, 0), (1, 0, 1))


def test_accuracy_does_not_load_scikit_learn():
    code = (
        "import sys; from autoprompt_search.metrics.classification import accuracy;"
        "assert accuracy(['a'], ['a'], ['a', 'b']) == 1.0; assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

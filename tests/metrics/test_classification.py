"""Metrics: the contract of each, known values, and equality with scikit-learn."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.statistics.scores import Scorecard
from autoprompt_search.metrics import METRICS, metric_named
from autoprompt_search.metrics.confusion import confusion
from autoprompt_search.testing.factories import label_card, label_outcomes
from autoprompt_search.testing.metric_contract import MetricContract

TARGETS = ["a", "a", "a", "b", "b", "c"]
PREDICTIONS = ["a", "a", "b", "b", "a", "c"]
LABELS = ("a", "b", "c")


class TestAccuracy(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("accuracy", labels)


class TestBalancedAccuracy(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("balanced_accuracy", labels)


class TestMacroF1(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("macro_f1", labels)


class TestMacroPrecision(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("macro_precision", labels)


class TestMacroRecall(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("macro_recall", labels)


class TestMicroF1(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("micro_f1", labels)


class TestMicroPrecision(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("micro_precision", labels)


class TestMicroRecall(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("micro_recall", labels)


class TestWeightedF1(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("weighted_f1", labels)


class TestWeightedPrecision(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("weighted_precision", labels)


class TestWeightedRecall(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("weighted_recall", labels)


class TestOneMinusEce(MetricContract):
    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("one_minus_ece", labels)

    def samples(self):
        for outcomes in super().samples():
            yield [sure(o, 0.4 + 0.6 * (i % 7) / 6) for i, o in enumerate(outcomes)]

    def perfect(self):
        for outcomes in super().perfect():
            yield [sure(o, 1.0) for o in outcomes]

    def flawed(self):
        return [sure(o, 0.9) for o in super().flawed()]


def sure(outcome, probability):
    """The outcome of a model that gives its prediction this probability."""
    rest = math.log(max(1 - probability, 1e-12) / 2)
    return replace(outcome, response=LabelLogprobs((math.log(probability), rest, rest)))


def test_expected_calibration_error_is_that_of_its_definition():
    rng = derive_rng("ece")
    outcomes = label_outcomes(
        *([rng.choice(LABELS) for _ in range(200)] for _ in range(2)),
    )
    outcomes = [sure(o, 0.34 + 0.65 * rng.random()) for o in outcomes]
    error = 0.0
    for low in range(10):
        inside = [o for o in outcomes if low / 10 < math.exp(o.logprobs[0]) <= (low + 1) / 10]
        if inside:
            confidence = sum(math.exp(o.logprobs[0]) for o in inside) / len(inside)
            error += abs(confidence - sum(o.is_right for o in inside) / len(inside)) * len(inside) / len(outcomes)
    assert Scorecard.of(outcomes, metric_named("one_minus_ece", LABELS)).score == pytest.approx(1 - error, abs=1e-9)


class TestMcc(MetricContract):
    low = -1.0

    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named("mcc", labels)


def test_every_registered_metric_has_its_contract_here():
    here = {c.__name__.removeprefix("Test").lower() for c in MetricContract.__subclasses__()}
    assert {n.replace("_", "") for n in METRICS.names() if "label" in metric_named(n, ()).answers} <= here


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
    assert label_card(name, TARGETS, PREDICTIONS, LABELS).score == pytest.approx(value)


def test_mcc_of_two_labels_is_the_phi_coefficient():
    targets, predictions = ["a"] * 4 + ["b"] * 6, ["a"] * 3 + ["b"] * 5 + ["a"] * 2
    tp, fn, fp, tn = 3, 1, 2, 4
    phi = (tp * tn - fp * fn) / ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    assert label_card("mcc", targets, predictions, ("a", "b")).score == pytest.approx(phi)


def test_mcc_of_answers_all_alike_is_zero():
    assert label_card("mcc", ["a", "b"], ["a", "a"], LABELS).score == 0.0
    assert label_card("mcc", ["a", "a"], ["a", "b"], LABELS).score == 0.0


def test_a_label_that_is_only_predicted_lowers_macro_recall_but_not_balanced_accuracy():
    targets, predictions = ["a", "a", "b", "b"], ["a", "a", "b", "c"]
    assert label_card("balanced_accuracy", targets, predictions, LABELS).score == pytest.approx(0.75)
    assert label_card("macro_recall", targets, predictions, LABELS).score == pytest.approx(0.5)


def test_a_label_that_never_occurs_does_not_count():
    assert label_card("macro_f1", ["a", "b"], ["a", "b"], LABELS).score == 1.0


def test_confusion_counts_targets_by_row():
    found = confusion(label_outcomes([*TARGETS, "c"], [*PREDICTIONS, "a"]), (*LABELS, "d"))
    assert found.counts == ((2, 1, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (0, 0, 0, 0))
    assert found.recalls == (2 / 3, 1 / 2, 1 / 2, None)


def test_accuracy_does_not_load_scikit_learn():
    code = (
        "import sys; from autoprompt_search.testing.factories import label_card;"
        "assert label_card('accuracy', ['a'], ['a']).score == 1.0; assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_every_metric_equals_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    from sklearn import metrics as theirs

    targets, predictions = [t for t, _ in pairs], [p for _, p in pairs]
    present = sorted({*targets, *predictions})
    labels = ["a", "b", "c"]
    options = {"labels": present, "average": "macro", "zero_division": 0}
    assert label_card("macro_f1", targets, predictions, labels).score == pytest.approx(
        theirs.f1_score(targets, predictions, **options)
    )
    expected = theirs.precision_score(targets, predictions, **options)
    assert label_card("macro_precision", targets, predictions, labels).score == pytest.approx(expected)
    assert label_card("macro_recall", targets, predictions, labels).score == pytest.approx(
        theirs.recall_score(targets, predictions, **options)
    )
    for average in ("micro", "weighted"):
        options["average"] = average
        for name in ("f1", "precision", "recall"):
            expected = getattr(theirs, f"{name}_score")(targets, predictions, **options)
            assert label_card(f"{average}_{name}", targets, predictions, labels).score == pytest.approx(expected)
    if len(set(targets)) > 1 and len(set(predictions)) > 1:
        assert label_card("mcc", targets, predictions, labels).score == pytest.approx(
            theirs.matthews_corrcoef(targets, predictions), abs=1e-9
        )
    rows = theirs.confusion_matrix(targets, predictions, labels=labels)
    assert [list(row) for row in confusion(label_outcomes(targets, predictions), labels).counts] == rows.tolist()

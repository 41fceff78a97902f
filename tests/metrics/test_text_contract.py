"""Metrics of answers in words keep the contract of all metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.metrics import METRICS, metric_named
from autoprompt_search.testing.metric_contract import MetricContract
from tests.metrics.said import corpora, corpus, said

NAMES = [name for name in METRICS.names() if "text" in metric_named(name, ()).answers]


def test_the_metrics_of_texts_are_these() -> None:
    assert NAMES == [
        "bleu", "chrf", "exact_match", "length", "numeric_equality", "rouge1", "rouge2", "rouge_l", "rouge_lsum",
        "squad2_em", "squad2_f1", "squad_em", "squad_f1",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
class TestTextMetrics(MetricContract):
    @pytest.fixture(autouse=True)
    def _named(self, name: str) -> None:
        self.name = name

    def make(self, labels: tuple[str, ...]) -> Metric:
        return metric_named(self.name, labels)

    def samples(self) -> Iterator[Sequence[Any]]:
        yield from corpora()

    def perfect(self) -> Iterator[Sequence[Any]]:
        for number in (1, 5, 20):
            words = [(*o.targets[0].split(), "and one dog runs 12 times.") for o in corpus(number, 7)]
            yield [said(" ".join(w), " ".join(w), "another text, 13") for w in words]

    def flawed(self) -> Sequence[Any]:
        return [said("the dog runs to 12 trees", "the dog runs to 12 trees"), said("a long wrong answer: 7", "12 cats")]

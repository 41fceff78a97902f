"""Text metrics equal those of the libraries that define them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.metrics import METRICS
from tests.metrics.said import corpora, corpus, said, score

EXACT = {"rel": 0, "abs": 1e-9}


def make(name: str, **options: Any) -> Any:
    return METRICS.build(ComponentSpec(type=name, **options))


def columns(outcomes: list[Any]) -> list[list[str | None]]:
    """References as sacrebleu wants them: the first of each example, the second of each, ..."""
    most = max(len(o.targets) for o in outcomes)
    return [[o.targets[i] if i < len(o.targets) else None for o in outcomes] for i in range(most)]


@pytest.mark.parametrize(
    "options", [{}, {"tokenize": "intl"}, {"tokenize": "char", "lowercase": True}, {"tokenize": "none"}]
)
def test_bleu_is_sacrebleus(options: dict[str, Any]) -> None:
    metric, theirs = make("bleu", **options), BLEU(force=True, **options)
    for outcomes in corpora():
        reference = theirs.corpus_score([o.prediction for o in outcomes], columns(outcomes)).score / 100
        assert score(metric, outcomes) == pytest.approx(reference, **EXACT)


@pytest.mark.parametrize("options", [{}, {"word_order": 2}, {"lowercase": True}])
def test_chrf_is_sacrebleus(options: dict[str, Any]) -> None:
    metric, theirs = make("chrf", **options), CHRF(**options)
    for outcomes in corpora():
        reference = theirs.corpus_score([o.prediction for o in outcomes], columns(outcomes)).score / 100
        assert score(metric, outcomes) == pytest.approx(reference, **EXACT)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 6), min_size=10, max_size=10))
def test_bleu_of_any_statistics_is_sacrebleus(drawn: list[int]) -> None:
    totals = sorted(drawn[2:6], reverse=True)
    right = [min(a, b) for a, b in zip(totals, drawn[6:], strict=True)]
    row = [totals[0], drawn[0] + drawn[1], *right, *totals]
    reference = BLEU()._compute_score_from_stats(list(row)).score / 100
    assert float(make("bleu").score(np.array(row, dtype=float), 1)) == pytest.approx(reference, **EXACT)


@pytest.mark.parametrize("name", ["bleu", "chrf", "length", "exact_match", "rouge_l"])
def test_many_sums_at_once_score_as_one_by_one(name: str) -> None:
    metric, outcomes = make(name), corpus(12, 3)
    rows = np.array([metric.statistics(o) for o in outcomes])
    sums = np.array([[rows[:i].sum(axis=0), rows[i:].sum(axis=0)] for i in range(1, 12)])
    sizes = np.array([[i, 12 - i] for i in range(1, 12)])
    together = metric.score(sums, sizes)
    assert together.shape == (11, 2)
    for i in range(11):
        for j in range(2):
            assert float(together[i, j]) == float(metric.score(sums[i, j], sizes[i, j]))


@pytest.mark.parametrize(
    ("name", "theirs"), [("rouge1", "rouge1"), ("rouge2", "rouge2"), ("rouge_l", "rougeL"), ("rouge_lsum", "rougeLsum")]
)
@pytest.mark.parametrize("stemmer", [True, False])
def test_rouge_is_rouge_scores(name: str, theirs: str, stemmer: bool) -> None:
    metric, scorer = make(name, stemmer=stemmer), RougeScorer([theirs], use_stemmer=stemmer)
    for outcomes in corpora():
        lined = [o for o in outcomes if all("\n" in t or "." not in t for t in (o.prediction, *o.targets))]
        if lined:
            each = [scorer.score_multi(list(o.targets), o.prediction)[theirs].fmeasure for o in lined]
            assert score(metric, lined) == pytest.approx(float(np.mean(each)), **EXACT)


def test_rouge_lsum_puts_sentences_on_lines() -> None:
    one, lines = "The dog runs. It is fast! Is it?", "The dog runs.\nIt is fast!\nIs it?"
    other = "It is fast!\nThe dog runs."
    assert score(make("rouge_lsum"), [said(one, other)]) == score(make("rouge_lsum"), [said(lines, other)])
    assert score(make("rouge_lsum"), [said(one, other)]) > score(make("rouge_l"), [said(one, other)])


def test_exact_match() -> None:
    outcomes = [said(" Paris ", "Paris"), said("paris", "Rome", "Paris"), said("Rome", "Paris", "Rome")]
    assert score(make("exact_match"), outcomes) == pytest.approx(2 / 3)
    assert score(make("exact_match", ignore_case=True), outcomes) == 1.0


def test_length_is_the_shorter_total_over_the_longer() -> None:
    outcomes = [said("one two three", "one", "one two three four five"), said("", "a b c d")]
    assert score(make("length"), outcomes) == pytest.approx(3 / 5)
    assert score(make("length"), [said("a b", "c d e f", "g")]) == pytest.approx(1 / 2)
    assert score(make("length"), [said("", "")]) == 1.0


@pytest.mark.parametrize("name", METRICS.names())
def test_an_unread_answer_never_helps(name: str) -> None:
    metric = make(name) if "labels" not in METRICS.signature(name).options else None
    if metric is None or "text" not in metric.answers:
        pytest.skip("this metric judges labels, and no answers in words")
    right, read = (
        said("unanswerable 12 red dogs run fast here", "unanswerable 12 red dogs run fast here"),
        said("", "7"),
    )
    unread = said("unanswerable 12 red dogs", "unanswerable 12 red dogs", unscored="cut")
    assert score(metric, [right]) == pytest.approx(1.0)
    assert score(metric, [right, unread]) < 1.0
    assert score(metric, [unread]) <= score(metric, [read]) + 1e-12


@pytest.mark.parametrize("name", ["bleu", "chrf", "rouge1", "rouge2", "rouge_l", "rouge_lsum"])
def test_the_settings_are_told(name: str) -> None:
    from importlib.metadata import version

    package = "sacrebleu" if name in ("bleu", "chrf") else "rouge-score"
    assert f"version:{version(package)}" in make(name).signature
    if package == "sacrebleu":
        theirs = BLEU() if name == "bleu" else CHRF()
        theirs.corpus_score(["a", "b"], [["a", "b"], ["c", None]])
        assert make(name).signature == str(theirs.get_signature())


def test_a_missing_package_is_one_clear_error() -> None:
    code = (
        "import sys\n"
        "sys.modules['sacrebleu'] = sys.modules['rouge_score'] = None\n"
        "from autoprompt_search.core.errors import MissingExtraError\n"
        "from autoprompt_search.metrics import METRICS\n"
        "from autoprompt_search.core.registry import ComponentSpec\n"
        "for name, package in (('bleu', 'sacrebleu'), ('rouge_l', 'rouge-score')):\n"
        "    try: METRICS.build(ComponentSpec(type=name))\n"
        '    except MissingExtraError as e: assert package in str(e) and "[text]\'" in str(e), e\n'
        "    else: raise SystemExit(name)\n"
        "METRICS.build(ComponentSpec(type='exact_match'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""Metrics of texts against reference texts. Each is in [0, 1]; what others give in percent is divided by 100 here.

An answer that could not be read counts as an empty text in metrics of a whole corpus, and as 0 in means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.errors import MissingExtraError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.metrics.mean import MeanMetric
from autoprompt_search.metrics.reading import answer, references

_ORDERS = 4
"""Longest n-grams of BLEU."""
_CHARACTERS = 6
"""Longest character n-grams of chrF."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def exact_match(*, ignore_case: bool = False) -> Metric:
    """Share of answers that equal a reference, blanks around them aside."""

    def value(said: str, right: tuple[str, ...]) -> float:
        forms = [text.strip().casefold() if ignore_case else text.strip() for text in (said, *right)]
        return float(forms[0] in forms[1:])

    return MeanMetric(value, f"case:{'ignored' if ignore_case else 'mixed'}")


def length() -> Metric:
    """How near the answers' length is to that of the references, in words: the shorter total over the longer one.

    Of several references the one whose length is nearest counts, the shorter of two.
    """
    return _Length()


def bleu(*, tokenize: Literal["13a", "intl", "char", "zh", "none"] = "13a", lowercase: bool = False) -> Metric:
    """Corpus BLEU (Papineni et al. 2002) of sacrebleu, divided by 100.

    It is a score of all answers together: a mean of sentence scores is another number.

    Args:
        tokenize: sacrebleu's tokenizer.
        lowercase: Upper and lower case are alike.
    """
    counter = _library("bleu", "sacrebleu.metrics", "sacrebleu").BLEU(
        tokenize=tokenize, lowercase=lowercase, force=True
    )
    return _Corpus(counter, _bleu, _signature(counter))


def chrf(*, word_order: Literal[0, 2] = 0, lowercase: bool = False) -> Metric:
    """Corpus chrF2 (Popovic 2015) of sacrebleu, divided by 100; chrF++ with `word_order: 2`.

    Args:
        word_order: Longest n-grams of words that are counted beside those of characters.
        lowercase: Upper and lower case are alike.
    """
    counter = _library("chrf", "sacrebleu.metrics", "sacrebleu").CHRF(word_order=word_order, lowercase=lowercase)
    return _Corpus(counter, _chrf, _signature(counter))


def rouge1(*, stemmer: bool = True) -> Metric:
    """Mean F-measure of shared words (Lin 2004), of rouge-score; of several references the best one counts."""
    return _rouge("rouge1", stemmer)


def rouge2(*, stemmer: bool = True) -> Metric:
    """Mean F-measure of shared pairs of words, of rouge-score; of several references the best one counts."""
    return _rouge("rouge2", stemmer)


def rouge_l(*, stemmer: bool = True) -> Metric:
    """Mean F-measure of the longest common subsequence, of rouge-score; line ends do not matter to it."""
    return _rouge("rougeL", stemmer)


def rouge_lsum(*, stemmer: bool = True) -> Metric:
    """Mean F-measure of the union of longest common subsequences of sentences, of rouge-score.

    Sentences are lines; a text of one line is split behind `.`, `!` and `?`.
    """
    return _rouge("rougeLsum", stemmer)


@dataclass(frozen=True, slots=True)
class _Length:
    """Two statistics: words of the answer, and of the reference whose length is nearest."""

    signature: str = "unit:word"
    answers: tuple[str, ...] = ("text",)
    is_mean: bool = False

    def statistics(self, outcome: Outcome) -> Sequence[float]:
        words = len((answer(outcome) or "").split())
        lengths = [len(text.split()) for text in references(outcome)]
        return float(words), float(min(lengths, key=lambda n: (abs(n - words), n)))

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:  # noqa: ARG002
        longer = sums.max(axis=-1)
        scores: Doubles = np.divide(sums.min(axis=-1), longer, out=np.ones(np.shape(longer)), where=longer > 0)
        return scores


@dataclass(frozen=True, slots=True)
class _Corpus:
    """A metric of sacrebleu: its own statistics of a segment, and its formula for many sums at once."""

    counter: Any
    formula: Any
    signature: str
    """sacrebleu's line of settings."""
    answers: tuple[str, ...] = ("text",)
    is_mean: bool = False

    def statistics(self, outcome: Outcome) -> Sequence[float]:
        said, right = answer(outcome) or "", references(outcome)
        (row,) = self.counter._extract_corpus_statistics([said], [[text] for text in right])
        return [float(number) for number in row]

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:  # noqa: ARG002
        scores: Doubles = self.formula(self.counter, np.asarray(sums, dtype=np.float64))
        return scores


def _bleu(_: Any, sums: Doubles) -> Doubles:
    """[lengths of answers and references, 4 matches, 4 totals] to BLEU with exponential smoothing."""
    ours, theirs = sums[..., 0], sums[..., 1]
    right, total = sums[..., 2 : 2 + _ORDERS], sums[..., 2 + _ORDERS :]
    is_missed = (right == 0) & (total > 0)
    smoothed = np.where(is_missed, 0.5 ** np.cumsum(is_missed, axis=-1), right)
    is_defined = np.asarray((total > 0).all(axis=-1) & (right > 0).any(axis=-1))
    precisions = np.divide(smoothed, total, out=np.ones(np.shape(total)), where=is_defined[..., None])
    penalty = np.exp(1 - np.divide(theirs, ours, out=np.ones(np.shape(ours)), where=(ours < theirs) & (ours > 0)))
    return np.where(is_defined, penalty * np.exp(np.log(precisions).mean(axis=-1)), 0.0)


def _chrf(counter: Any, sums: Doubles) -> Doubles:
    """[orders x (n-grams of answers, of references, shared ones)] to the F-measure of mean precision and recall."""
    factor = counter.beta**2
    rows = sums.reshape(*sums.shape[:-1], counter.order, 3)
    ours, theirs, both = rows[..., 0], rows[..., 1], rows[..., 2]
    counts = (ours > 0) & (theirs > 0)
    orders = np.maximum(counts.sum(axis=-1), 1)
    zeros = np.zeros(np.shape(both))
    precision = np.divide(both, ours, out=zeros.copy(), where=counts).sum(axis=-1) / orders
    recall = np.divide(both, theirs, out=zeros.copy(), where=counts).sum(axis=-1) / orders
    below = factor * precision + recall
    scores: Doubles = np.divide(
        (1 + factor) * precision * recall, below, out=np.zeros(np.shape(below)), where=below > 0
    )
    return scores


def _rouge(name: str, stemmer: bool) -> Metric:
    scorer = _library(name, "rouge_score.rouge_scorer", "rouge-score").RougeScorer([name], use_stemmer=stemmer)

    def value(said: str, right: tuple[str, ...]) -> float:
        texts = [_on_lines(text) for text in right] if name == "rougeLsum" else list(right)
        said = _on_lines(said) if name == "rougeLsum" else said
        return float(scorer.score_multi(texts, said)[name].fmeasure)

    sentences = "|sentences:lines" if name == "rougeLsum" else ""
    settings = f"stemmer:{'porter' if stemmer else 'no'}|tok:default|refs:best{sentences}"
    return MeanMetric(value, f"{name}|{settings}|version:{version('rouge-score')}")


def _on_lines(text: str) -> str:
    """Every sentence on a line of its own, where the text has but one line."""
    return text if "\n" in text.strip() else _SENTENCE.sub("\n", text.strip())


def _library(metric: str, module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        raise MissingExtraError(
            f"the metric {metric!r} needs the package {package!r} ({exc}): pip install 'autoprompt-search[text]'"
        ) from exc


def _signature(counter: Any) -> str:
    counter.num_refs = -1  # how many references an example has is a fact of the data
    return str(counter.get_signature())

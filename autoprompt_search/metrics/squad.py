"""Exact match and F1 of answers to questions, as the official scripts of SQuAD 1.1 and 2.0 define them.

Both compare texts in lower case without ASCII punctuation, without the words a, an and the, and with single blanks.
F1 is that of the multisets of words. Of several references the best one counts. The two differ where a text has no
words left: in 2.0 it is the answer "there is none", right where the reference says so too, in 1.1 its F1 is 0.
"""

from __future__ import annotations

import re
import string
from collections import Counter

from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.metrics.mean import MeanMetric

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
NO_ANSWER = "unanswerable"
"""What stands for "there is no answer" where a model has to say so."""


def squad_em() -> Metric:
    """Exact match of SQuAD 1.1."""
    return MeanMetric(lambda said, right: float(normalised(said) in map(normalised, right)), "squad:1.1")


def squad_f1() -> Metric:
    """F1 of SQuAD 1.1."""
    return MeanMetric(lambda said, right: max(_f1(said, text, empty=0.0) for text in right), "squad:1.1")


def squad2_em(*, no_answer: str = NO_ANSWER) -> Metric:
    """Exact match of SQuAD 2.0.

    Args:
        no_answer: A text that says that there is no answer, in answers and references; an empty one says so too.
    """

    def value(said: str, right: tuple[str, ...]) -> float:
        given, texts = _answers(said, right, no_answer)
        return float(normalised(given) in map(normalised, texts))

    return MeanMetric(value, f"squad:2.0|no-answer:{no_answer}")


def squad2_f1(*, no_answer: str = NO_ANSWER) -> Metric:
    """F1 of SQuAD 2.0.

    Args:
        no_answer: A text that says that there is no answer, in answers and references; an empty one says so too.
    """

    def value(said: str, right: tuple[str, ...]) -> float:
        given, texts = _answers(said, right, no_answer)
        return max(_f1(given, text, empty=1.0) for text in texts)

    return MeanMetric(value, f"squad:2.0|no-answer:{no_answer}")


def normalised(text: str) -> str:
    """The text as SQuAD compares it."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def _answers(said: str, right: tuple[str, ...], no_answer: str) -> tuple[str, list[str]]:
    """Answer and references, those that say that there is none as empty texts; these count only where all say so."""
    none = normalised(no_answer)
    given, *texts = ["" if normalised(text) == none else text for text in (said, *right)]
    return given, [text for text in texts if normalised(text)] or [""]


def _f1(said: str, right: str, *, empty: float) -> float:
    """F1 of words; where a text has none it is `empty` if neither has any, and 0 if one has."""
    ours, theirs = normalised(said).split(), normalised(right).split()
    if not ours or not theirs:
        return empty if ours == theirs else 0.0
    shared = sum((Counter(ours) & Counter(theirs)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(ours), shared / len(theirs)
    return 2 * precision * recall / (precision + recall)

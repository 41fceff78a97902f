"""What the references say of how answers are asked for: stop strings that cut them, caps and rungs too small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.rules_space import possible
from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.metric_names import metric_spec
from autoprompt_search.core.prompts import Rendered, Segment
from autoprompt_search.core.types import Example, Splits
from autoprompt_search.space import Int

_QUANTILE = 0.95
_CORPUS, _CORPUS_ROWS = ("bleu", "chrf"), 32
_BY_LABEL, _LABEL_ROWS, _RARE = ("macro_f1", "macro_precision", "macro_recall", "balanced_accuracy"), 128, 0.05
"""Metrics, and the examples from which their intervals hold what they promise (measured at 32, 64, 128 and 256; those
of labels with one that 3 % of the examples have)."""


def stop_problems(config: SearchConfig, splits: Splits, form: AnswerForm) -> Iterator[str]:
    """Stop strings that occur in references: no answer could be like them."""
    if form.kind != "text":
        return
    examples = _all(splits)
    for stop in config.answer.stop:
        cut = [e for e in examples if stop in e.target]
        if cut:
            yield (
                f"answer.stop: {stop!r} occurs in {len(cut):,} of {len(examples):,} references, such as {cut[0].id!r}, "
                "and no answer could be like them: it would end there. Leave it out, or name another end"
            )


def answer_advice(
    config: SearchConfig, splits: Splits, form: AnswerForm, metric: str, backend: object
) -> Iterator[str]:
    """A token cap below most references, and first rungs on which the metric says little."""
    count = getattr(backend, "count_tokens", None)
    if form.kind in ("text", "program") and count is not None:
        texts = [Rendered((Segment(f" {e.target}"),)) for e in _all(splits)]
        tokens = np.array(count(texts)) - count([Rendered((Segment(""),))])[0]
        needed, cap = int(np.quantile(tokens, _QUANTILE, method="higher")), _cap(config)
        if cap < needed:
            yield (
                f"answer.tokens: {cap} is below {needed}, the 95th percentile of the references' tokens: answers as "
                "long as those would be cut, and cut answers are unscored"
            )
    name, first = metric_spec(metric).type, config.rungs[0]
    if name in _CORPUS and first < _CORPUS_ROWS:
        yield (
            f"rungs: {first} examples are too few to compare prompts by {name}, whose intervals hold from "
            f"{_CORPUS_ROWS} on: raise the first rung"
        )
    if name in _BY_LABEL and first < _LABEL_ROWS and form.kind == "label":
        label, number = min(Counter(e.target for e in splits.dev).items(), key=lambda found: found[1])
        share = number / len(splits.dev)
        if share < _RARE:
            yield (
                f"rungs: {first} examples say little of the label {label!r}, which {share:.1%} of dev have: "
                f"intervals of {name} hold from {_LABEL_ROWS} on; raise the first rung, or search by accuracy"
            )


def _cap(config: SearchConfig) -> int:
    """The largest token cap that the search may use."""
    param = config.space.root.get("answer.tokens")
    if isinstance(param, Int):
        return param.high
    return max((int(value) for value in possible(config.space, "answer.tokens")), default=config.answer.tokens)


def _all(splits: Splits) -> list[Example]:
    return [*splits.train, *splits.dev, *splits.test]

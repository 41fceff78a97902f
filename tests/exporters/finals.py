"""Final prompts to export: on the scripted backend in no time, or on any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.prompts import Demonstrations, Prompt, Template
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import measure
from autoprompt_search.testing.factories import label_answers

ODD = "\n\t \r:#-'\"|>`{}[]&*!%@~?,\\\x00\x1b\x85\xa0\u2028\u2029\u202e\ufeff😀"
"""Characters that YAML, JSON, Markdown or a terminal give a meaning."""
LABELS = ("negative", "positive")
WORDS = {"negative": ("bad",), "positive": ("good",)}
SCRIPTED = {"type": "scripted", "skill": 0.9}
SCORES = {
    "verdict": "promote",
    "reason": "the interval of the difference lies above 0",
    "metric": "accuracy",
    "confidence": 0.95,
    "baseline": {"params": {"template": "a"}, "test": {"score": 0.7, "low": 0.65, "high": 0.75, "examples": 300}},
    "best": {
        "params": {"template": "b"},
        "dev": {"score": 0.9, "examples": 512},
        "test": {"score": 0.87654, "low": 0.84, "high": 0.9, "examples": 300},
    },
    "difference": {"score": 0.17, "low": 0.1, "high": 0.24, "p": 0.0001},
}
TEMPLATE = Template("cloze", "Review: {text}{@sep}Sentiment:")


def reviews(count: int, kind: str = "test") -> tuple[Example, ...]:
    made = []
    for i in range(count):
        label = LABELS[i % 2]
        text = f"{kind} film {i} was {WORDS[label][0]}, {('dull', 'lovely', 'long', 'short')[i % 4]}"
        made.append(Example(f"{kind}-{i}", {"text": text}, label))
    return tuple(made)


def fixed(count: int = 2) -> Demonstrations:
    return Demonstrations("random", reviews(count, "train"))


def nearest(pool: Sequence[Example], **options: Any) -> Demonstrations:
    return Demonstrations("knn", tuple(pool), per_query=True, options={"k": 2, "by": "tfidf", **options})


def diverse(pool: Sequence[Example], **options: Any) -> Demonstrations:
    return Demonstrations("diverse", tuple(pool), per_query=True, options={"trade": 0.5, "by": "tfidf", **options})


def final_prompt(
    prompt: Prompt | None = None,
    *,
    backend: Mapping[str, Any] = SCRIPTED,
    labels: tuple[str, ...] = LABELS,
    golden: Sequence[Example] | None = None,
    name: str = "quick start",
) -> FinalPrompt:
    """As the search makes it: golden predictions are measured on the backend itself."""
    prompt = prompt or Prompt(TEMPLATE, label_answers(WORDS), instruction="Judge.", demos=fixed())
    examples = reviews(12) if golden is None else golden
    model = BACKENDS.build(ComponentSpec(**backend))
    found = measure(prompt, examples, model).outcomes if examples else ()
    return FinalPrompt(
        name=name,
        prompt=prompt,
        labels=labels,
        fields=tuple(examples[0].inputs) if examples else ("text",),
        backend=backend,
        model=str(backend.get("model", "scripted")),
        model_fingerprint=model.fingerprint,
        data_fingerprints={"train": "1e5", "dev": "0123456789abcdef", "test": "no"},
        scores=SCORES,
        golden=tuple((e, o.prediction) for e, o in zip(examples, found, strict=True)),
        created_with="0.1.0",
    )

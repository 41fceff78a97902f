"""Prompts of all kinds, drawn by Hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from autoprompt_search.core.answers import Calibration, LabelAnswers
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.prompts import Demonstrations, Layout, Prompt, SoftPosition, SoftPrompt, Template
from autoprompt_search.core.types import Example

from .finals import LABELS, ODD

texts = st.text(alphabet=st.one_of(st.characters(), st.sampled_from(ODD)))
words = st.text(alphabet=st.one_of(st.characters(), st.sampled_from(ODD)), min_size=1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
backends = st.sampled_from(["hf-causal", "hf-masked", "hf-seq2seq", "hf-encoder", "hf-classifier", "scripted"])


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """With and without demonstrations, marks, calibration and a soft prompt."""
    return Prompt(
        Template(draw(texts), _template(draw)),
        LabelAnswers(
            LABELS,
            {label: tuple(draw(st.lists(words, min_size=1, max_size=2))) for label in LABELS},
            Calibration(draw(texts), (draw(numbers), draw(numbers))) if draw(st.booleans()) else None,
        ),
        instruction=draw(texts),
        layout=Layout(
            draw(texts),
            draw(texts),
            draw(st.sampled_from(["lower", "as-is"])),
            {"Name of it": draw(texts)},
            draw(texts),
            draw(st.sampled_from(["{}", "It was {}!", "a {} b"])),
        ),
        demos=_demonstrations(draw),
        soft=_soft(draw) if draw(st.booleans()) else None,
    )


def _template(draw: st.DrawFn) -> str:
    def braced(text: str) -> str:
        return text.replace("{", "{{").replace("}", "}}")

    marks = draw(st.sets(st.sampled_from(["{@answer}", "{@pair}"])))
    parts = [*marks, "{text}", "{@sep}", "{@Name of it}", braced(draw(texts)), braced(draw(texts))]
    return "".join(draw(st.permutations(parts)))


def _demonstrations(draw: st.DrawFn) -> Demonstrations:
    examples = tuple(
        Example(f"train-{i}-{draw(texts)}", {"text": draw(texts)}, draw(st.sampled_from(LABELS)))
        for i in range(draw(st.integers(0, 3)))
    )
    if not examples:
        return Demonstrations()
    options: dict[str, Any] = {"k": 1, "by": "tfidf"}
    return Demonstrations("knn", examples, True, options) if draw(st.booleans()) else Demonstrations("random", examples)


def _soft(draw: st.DrawFn) -> SoftPrompt:
    weights = draw(st.binary())
    place = SoftPosition(
        draw(st.sampled_from(["start", "after-cls", "before-answer", "decoder"])),
        draw(st.sampled_from(["embeddings", "prefix"])),
        draw(st.integers(0, 9)),
    )
    held = {"peft_type": "TRAINABLE_TOKENS", "token_indices": [7, 8], "target_modules": draw(texts), "revision": None}
    adapter = draw(st.sampled_from([held, {"peft_type": "PROMPT_TUNING", "token_dim": 4}]))
    return SoftPrompt(draw(texts), 2, draw(texts), weights, sha256_bytes(weights), adapter, place)

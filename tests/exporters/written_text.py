"""Final prompts whose answers are text, on the scripted backend or on any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.answers import Completion, Limits, TextAnswers
from autoprompt_search.core.prompts import Prompt, Template
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import measure

from .finals import final_prompt

REPLIES = {"rain": "it was wet", "sun": "it was warm", "snow": "it was cold"}
SCRIPTED = {"type": "scripted", "skill": 0.7, "replies": REPLIES}
TEMPLATE = Template("plain", "Weather: {text}\nIn short:")


def reports(count: int, kind: str = "test") -> tuple[Example, ...]:
    """Texts, each with a word of `REPLIES`, and its reply as the reference."""
    cues = list(REPLIES)
    return tuple(
        Example(f"{kind}-{i}", {"text": f"{kind} day {i} had {cues[i % 3]}"}, REPLIES[cues[i % 3]], ("so it was",))
        for i in range(count)
    )


EIGHT = Limits(8)


def text_prompt(limits: Limits = EIGHT, parser: str = "verbatim", **options: Any) -> Prompt:
    """A prompt without demonstrations."""
    return Prompt(TEMPLATE, TextAnswers(limits, parser, options))


def text_final(
    prompt: Prompt | None = None,
    *,
    backend: Mapping[str, Any] = SCRIPTED,
    golden: Sequence[Example] | None = None,
    labels: tuple[str, ...] = (),
) -> FinalPrompt:
    """As the search makes it."""
    prompt = prompt or text_prompt()
    examples = reports(9) if golden is None else golden
    model = BACKENDS.build(ComponentSpec(**backend))
    found = measure(prompt, examples, model, metric="exact_match").outcomes if examples else ()
    kept = [(e, o) for e, o in zip(examples, found, strict=True) if not o.unscored]
    final = final_prompt(prompt, backend=backend, labels=labels, golden=(), name="weather")
    return replace(
        final,
        golden=tuple((e, o.prediction) for e, o in kept),
        golden_texts={e.id: o.response.text for e, o in kept if isinstance(o.response, Completion)},
        scores={**final.scores, "metric": "exact_match"},
    )

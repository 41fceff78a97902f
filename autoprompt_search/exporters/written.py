"""A prompt as its model reads it, with slots for the fields. Knows the types of a prompt, no files and no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from autoprompt_search.core.answers import OptionAnswers
from autoprompt_search.core.families import family_of
from autoprompt_search.core.prompts import Demonstrations, Prompt
from autoprompt_search.core.types import Example
from autoprompt_search.exporters.formats import plain
from autoprompt_search.prompting import (
    answer_word,
    answer_words,
    as_answer,
    messages_with_slots,
    prefix_and_query,
    render_text,
)

Written = dict[str, Any]


def rendered(prompt: Prompt, labels: Sequence[str], backend: Mapping[str, Any]) -> Written:
    """What the model reads.

    `prefix` stands before the query and `query` before the answer; `rest` stands after it, where the template has a
    slot for the answer and the model reads on. `query` and `rest` have slots for the fields; one that is a list of
    two is where a second text begins. `answers` are every label's exact continuations, `option` is that of an
    example's own option, which stands for `{}`. A prefix ends where
    demonstrations chosen per query begin; each line of the pool file holds its own text. For models that compare
    texts, fixed demonstrations are `prototypes`: answer -> texts. A prompt in turns is `messages` for the model's chat
    template, slots in the last one, and `answer_prefix`, which stands behind what the template gives.
    """
    if prompt.chat is not None:
        shown = () if prompt.demos.per_query else prompt.demos.examples
        said = {"messages": messages_with_slots(prompt, shown), "answer_prefix": prompt.chat.prefix}
        return {**said, **_answered(prompt, labels)}
    family = family_of(backend)
    fixed = () if prompt.demos.per_query else prompt.demos.examples
    prefix, query, rest = prefix_and_query(prompt, () if family.compares else fixed)
    if family.compares and rest:  # nothing stands in an answer's place: both sides of it are one text
        query, rest = (*query[:-1], query[-1] + rest[0], *rest[1:]), ()
    written: Written = {"prefix": prefix, "query": _flat(query)}
    written |= {"rest": _flat(rest)} if rest and family.reads_rest else {}
    written |= _answered(prompt, labels)
    written |= {"prototypes": _prototypes(prompt, fixed)} if family.compares and fixed else {}
    return written


def _answered(prompt: Prompt, labels: Sequence[str]) -> Written:
    """What answers are: every label's, or the place of an option in its answer."""
    if isinstance(prompt.answers, OptionAnswers):
        return {"option": as_answer(prompt, "{}")}
    return {"answers": answers_of(prompt, labels)} if labels else {}


def answers_of(prompt: Prompt, labels: Sequence[str]) -> dict[str, list[str]]:
    """Label -> its answers as exact continuations."""
    answers, groups = answer_words(prompt, labels)
    return {label: [a for a, g in zip(answers, groups, strict=True) if g == i] for i, label in enumerate(labels)}


def readable(prompt: Prompt, labels: Sequence[str], backend: Mapping[str, Any]) -> str:
    """The same in one text for people, marks written as in templates."""
    shown, is_put_in = rendered(prompt, labels, backend), not family_of(backend).compares
    if prompt.chat is not None:
        said = [f"[{message['role']}]\n{message['content']}" for message in shown["messages"]]
        said[-1:] = ["{demonstrations}", said[-1]] if prompt.demos.per_query else said[-1:]
        return "\n\n".join([*said, f"[assistant]\n{shown['answer_prefix']}"])
    demos = "{demonstrations}" if prompt.demos.per_query and is_put_in else ""
    rest = "{@answer}" + _marked(shown["rest"]) if "rest" in shown else ""
    return f"{shown['prefix']}{demos}{_marked(shown['query'])}{rest}"


def pool_lines(prompt: Prompt, backend: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The examples of a per-query prompt, each with what it is to the model.

    That is its text as a demonstration, separator included; for models that compare texts its text alone, and the
    answer it stands for.
    """
    pool, gap = prompt.demos.examples, prompt.layout.demo_separator
    if prompt.chat is not None:  # each becomes turns
        return [plain(e) for e in pool]
    if family_of(backend).compares:
        return [{**plain(e), "text": _text(prompt, e), "answer": answer_word(prompt, e)} for e in pool]
    return [{**plain(e), "text": _text(prompt, e, answer=True) + gap} for e in pool]


def _text(prompt: Prompt, example: Example, *, answer: bool = False) -> str:
    """Text of an example by itself."""
    bare = replace(prompt, instruction="", demos=Demonstrations(), soft=None)
    return render_text(bare, example, answer=answer)


def _prototypes(prompt: Prompt, examples: Sequence[Example]) -> dict[str, list[str]]:
    prototypes: dict[str, list[str]] = {}
    for example in examples:
        prototypes.setdefault(answer_word(prompt, example), []).append(_text(prompt, example))
    return prototypes


def _flat(pieces: Sequence[str]) -> str | list[str]:
    return pieces[0] if len(pieces) == 1 else list(pieces)


def _marked(pieces: str | list[str]) -> str:
    return pieces if isinstance(pieces, str) else "{@pair}".join(pieces)

"""A prompt and an example to the text the model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoprompt_search.core.types import Example, Layout, Prompt, Rendered, Segment, Shot
from autoprompt_search.prompting.slots import CASINGS, MARKS, parse


def render(prompt: Prompt, example: Example, demos: Sequence[Example] = ()) -> Rendered:
    """Instruction, demonstrations with their answers, query without answer, joined by the demo separator.

    A demonstration's answer stands where the template has `{@answer}`, or at its end. The query's own
    target is never read.
    """
    shots = tuple(
        Shot(_fill(prompt.template.text, prompt.layout, demo.inputs), answer_word(prompt, demo.target))
        for demo in demos
    )
    query = _fill(prompt.template.text, prompt.layout, example.inputs)
    intro = [(Segment(prompt.instruction),)] if prompt.instruction else []
    gap = Segment(prompt.layout.demo_separator)
    whole = _joined([*intro, *map(_solved, shots), query], gap)
    return Rendered(whole, _joined([*intro, query], gap) if shots else (), shots)


def answer_word(prompt: Prompt, label: str) -> str:
    """The answer that demonstrations give for `label`: gap, and its first word in the layout's form."""
    return _answer(prompt, prompt.verbalizer[label][0])


def render_text(prompt: Prompt, example: Example, demos: Sequence[Example] = (), *, answer: bool = False) -> str:
    """The prompt as one string, with the gold answer appended where `answer`."""
    made = render(prompt, example, demos)
    return made.text + answer_word(prompt, example.target) + made.rest if answer else made.text + made.rest


def prefix_and_query(prompt: Prompt, demos: Sequence[Example] = ()) -> tuple[str, str]:
    """The fixed text before the query, and the query with `{field}` slots left in (braces doubled as in templates).

    `prefix + query.format(**inputs)` equals the rendered prompt.
    """
    blocks = [prompt.instruction] if prompt.instruction else []
    blocks += [render_text(_bare(prompt), demo, answer=True) for demo in demos]
    prefix = "".join(block + prompt.layout.demo_separator for block in blocks)
    query = ""
    for part in parse(prompt.template.text):
        if part.kind == "field":
            query += "{" + part.value + "}"
        else:
            query += _set(part.kind, part.value, prompt.layout).replace("{", "{{").replace("}", "}}")
    return prefix, query


def own_words(prompt: Prompt) -> str:
    """What the prompt says by itself: its instruction, or the template's words without the fields."""
    if prompt.instruction:
        return prompt.instruction
    return "".join(
        _set(p.kind, p.value, prompt.layout) for p in parse(prompt.template.text) if p.kind != "field"
    ).strip()


def answer_words(prompt: Prompt, labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """All answers as exact continuations (with the gap), and for each the index of its label."""
    pairs = [(_answer(prompt, w), i) for i, label in enumerate(labels) for w in prompt.verbalizer[label]]
    return tuple(a for a, _ in pairs), tuple(i for _, i in pairs)


def _answer(prompt: Prompt, word: str) -> str:
    return prompt.layout.answer_gap + prompt.layout.answer.replace("{}", word)


def _solved(shot: Shot) -> tuple[Segment, ...]:
    """The filled template with its answer in place."""
    place = next((i for i, s in enumerate(shot.segments) if s.origin == "answer"), len(shot.segments))
    return (*shot.segments[:place], Segment(shot.answer), *shot.segments[place + 1 :])


def _joined(blocks: Sequence[tuple[Segment, ...]], gap: Segment) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for block in blocks:
        segments += [gap, *block] if segments else block
    return tuple(s for s in segments if s.text or s.origin in MARKS)


def _bare(prompt: Prompt) -> Prompt:
    return Prompt(prompt.template, prompt.verbalizer, layout=prompt.layout)


def _fill(text: str, layout: Layout, inputs: Mapping[str, str]) -> tuple[Segment, ...]:
    return tuple(_segment(p.kind, p.value, layout, inputs) for p in parse(text))


def _segment(kind: str, value: str, layout: Layout, inputs: Mapping[str, str]) -> Segment:
    if kind == "field":
        return Segment(inputs[value], f"field:{value}")
    return Segment("", kind) if kind in MARKS else Segment(_set(kind, value, layout))


def _set(kind: str, value: str, layout: Layout) -> str:
    if kind == "sep":
        return layout.separator
    if kind in MARKS:
        return ""
    if kind == "name":
        return CASINGS[layout.casing](layout.names.get(value, value))
    return value

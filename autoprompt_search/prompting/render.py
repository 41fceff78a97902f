"""A prompt and an example to the text the model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoprompt_search.core.types import Example, Layout, Prompt, Rendered, Segment
from autoprompt_search.prompting.slots import CASINGS, parse


def render(prompt: Prompt, example: Example, demos: Sequence[Example] = ()) -> Rendered:
    """Instruction, demonstrations with their answers, query without answer, joined by the demo separator.

    The query's own target is never read.
    """
    blocks: list[tuple[Segment, ...]] = []
    if prompt.instruction:
        blocks.append((Segment(prompt.instruction),))
    for demo in demos:
        answer = prompt.layout.answer_gap + prompt.verbalizer[demo.target][0]
        blocks.append((*_fill(prompt.template.text, prompt.layout, demo.inputs), Segment(answer)))
    blocks.append(_fill(prompt.template.text, prompt.layout, example.inputs))
    gap = Segment(prompt.layout.demo_separator)
    segments: list[Segment] = []
    for block in blocks:
        segments += [gap, *block] if segments else block
    return Rendered(tuple(s for s in segments if s.text))


def render_text(prompt: Prompt, example: Example, demos: Sequence[Example] = (), *, answer: bool = False) -> str:
    """The prompt as one string, with the gold answer appended where `answer`."""
    text = render(prompt, example, demos).text
    return text + prompt.layout.answer_gap + prompt.verbalizer[example.target][0] if answer else text


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
    pairs = [(prompt.layout.answer_gap + w, i) for i, label in enumerate(labels) for w in prompt.verbalizer[label]]
    return tuple(a for a, _ in pairs), tuple(i for _, i in pairs)


def _bare(prompt: Prompt) -> Prompt:
    return Prompt(prompt.template, prompt.verbalizer, layout=prompt.layout)


def _fill(text: str, layout: Layout, inputs: Mapping[str, str]) -> tuple[Segment, ...]:
    return tuple(
        Segment(inputs[p.value], f"field:{p.value}") if p.kind == "field" else Segment(_set(p.kind, p.value, layout))
        for p in parse(text)
    )


def _set(kind: str, value: str, layout: Layout) -> str:
    if kind == "sep":
        return layout.separator
    if kind == "name":
        return CASINGS[layout.casing](layout.names.get(value, value))
    return value

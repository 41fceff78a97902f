"""A prompt and an example to the text the model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from autoprompt_search.core.chat import Chat
from autoprompt_search.core.prompts import Layout, Prompt, Rendered, Segment, Shot
from autoprompt_search.core.types import Example
from autoprompt_search.prompting.chat import conversation, flat
from autoprompt_search.prompting.slots import CASINGS, MARKS, Part, data_fields, parse

NO_PREMISE = "Answer:"
"""The premise of a template that says nothing behind its last field."""


def render(prompt: Prompt, example: Example, demos: Sequence[Example] = ()) -> Rendered:
    """Instruction, demonstrations with their answers, query without answer, joined by the demo separator.

    A demonstration's answer stands where the template has `{@answer}`, or at its end. The query's own
    target is never read.
    """
    return render_with(prompt, example, tuple(shot(prompt, demo) for demo in demos))


def shot(prompt: Prompt, demo: Example) -> Shot:
    """A demonstration as this prompt shows it."""
    word, segments = answer_word(prompt, demo), _fill(prompt.template.text, prompt.layout, demo.inputs)
    if prompt.chat and prompt.chat.demos == "message":  # it is no turn, but written as in a plain prompt
        word = prompt.layout.answer_gap + word.removeprefix(answer_gap(prompt))
    return Shot(segments, word)


def render_with(prompt: Prompt, example: Example, shots: tuple[Shot, ...]) -> Rendered:
    """`render` with demonstrations that are made already: many queries get the same ones."""
    query = _fill(prompt.template.text, prompt.layout, example.inputs)
    if prompt.chat:
        return _in_turns(prompt, prompt.chat, query, shots)
    intro = [(Segment(prompt.instruction),)] if prompt.instruction else []
    gap = Segment(prompt.layout.demo_separator)
    whole = _joined([*intro, *map(_solved, shots), query], gap)
    return Rendered(whole, _joined([*intro, query], gap) if shots else (), shots)


def _in_turns(prompt: Prompt, chat: Chat, query: tuple[Segment, ...], shots: tuple[Shot, ...]) -> Rendered:
    """A prompt for the model's chat template."""
    gap = prompt.layout.demo_separator
    solved = [(one.segments, one.answer) for one in shots]
    said = conversation(chat, prompt.instruction, gap, solved, query)
    asked = flat(conversation(chat, prompt.instruction, gap, (), query), gap) if shots else ()
    return Rendered(flat(said, gap), asked, shots, said)


def answer_gap(prompt: Prompt) -> str:
    """What stands between the end of the prompt and the answer: nothing at the beginning of a turn."""
    return "" if prompt.chat and not prompt.chat.prefix else prompt.layout.answer_gap


def answer_word(prompt: Prompt, example: Example) -> str:
    """The answer that a demonstration gives: gap, and its spelling in the layout's form."""
    return as_answer(prompt, prompt.answers.spelled(example))


def render_text(prompt: Prompt, example: Example, demos: Sequence[Example] = (), *, answer: bool = False) -> str:
    """The prompt as one string, with the gold answer appended where `answer`."""
    rendered = render(prompt, example, demos)
    return rendered.text + answer_word(prompt, example) + rendered.rest if answer else rendered.text + rendered.rest


def prefix_and_query(prompt: Prompt, demos: Sequence[Example] = ()) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The fixed text before the query, the query up to the answer, and what stands after the answer.

    Query and rest come in pieces for `str.format`, `{field}` slots left in (braces doubled as in templates): one piece
    each, two where a second text begins between them; no piece of rest where the template has no slot for the answer.
    `prefix + "".join(query).format(**inputs)` equals the rendered prompt's `text`, and the rest its `rest`.
    """
    blocks = [prompt.instruction] if prompt.instruction else []
    blocks += [render_text(_bare(prompt), demo, answer=True) for demo in demos]
    prefix = "".join(block + prompt.layout.demo_separator for block in blocks)
    parts = parse(prompt.template.text)
    marks = {part.kind: index for index, part in enumerate(parts) if part.kind in MARKS}  # the last of each counts
    answer, border = marks.get("answer", len(parts)), marks.get("pair", -1)

    def pieces(start: int, end: int) -> tuple[str, ...]:
        cuts = [start, border, end] if start <= border < end else [start, end]
        return tuple("".join(_slotted(p, prompt.layout) for p in parts[a:b]) for a, b in pairwise(cuts))

    return prefix, pieces(0, answer), pieces(answer, len(parts)) if "answer" in marks else ()


def _slotted(part: Part, layout: Layout) -> str:
    if part.kind == "field":
        return "{" + part.value + "}"
    return _doubled(_set(part.kind, part.value, layout))


def messages_with_slots(prompt: Prompt, demos: Sequence[Example] = ()) -> list[dict[str, str]]:
    """The conversation of a chat prompt, `{field}` slots left in the last message, whose other braces are doubled."""
    if prompt.chat is None:
        return []
    said = [(one.segments, one.answer) for one in (shot(prompt, demo) for demo in demos)]
    slots = {name: "{" + name + "}" for name in data_fields(prompt.template.text)}
    query = _fill(prompt.template.text, prompt.layout, slots)
    marked = tuple(replace(s, origin="slot") if s.origin.startswith("field:") else s for s in query)
    turns = conversation(prompt.chat, prompt.instruction, prompt.layout.demo_separator, said, marked).turns
    last = "".join(s.text if s.origin == "slot" else _doubled(s.text) for s in turns[-1].segments)
    return [*({"role": t.role, "content": t.text} for t in turns[:-1]), {"role": turns[-1].role, "content": last}]


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def own_words(prompt: Prompt) -> str:
    """What the prompt says by itself: its instruction, or the template's words without the fields."""
    if prompt.instruction:
        return prompt.instruction
    return "".join(
        _set(p.kind, p.value, prompt.layout) for p in parse(prompt.template.text) if p.kind != "field"
    ).strip()


def answer_words(prompt: Prompt, labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """All answers as exact continuations (with the gap), and the index of each answer's label."""
    words = prompt.answers.verbalizer
    pairs = [(as_answer(prompt, w), i) for i, label in enumerate(labels) for w in words[label]]
    return tuple(a for a, _ in pairs), tuple(i for _, i in pairs)


def as_answer(prompt: Prompt, word: str) -> str:
    """A word or an option as an exact continuation of the prompt."""
    return answer_gap(prompt) + prompt.layout.answer.replace("{}", word)


def premise_of(text: str, layout: Layout) -> str:
    """What a template says between its last field and the answer: its words without the question.

    The domain premise of Holtzman et al. 2021 (arXiv 2104.08315, section 3.1); `Answer:` where it says nothing there.
    """
    parts = parse(text)
    end = next((index for index, part in enumerate(parts) if part.kind == "answer"), len(parts))
    start = max((index + 1 for index, part in enumerate(parts[:end]) if part.kind == "field"), default=0)
    return "".join(_set(part.kind, part.value, layout) for part in parts[start:end]).strip() or NO_PREMISE


def render_premise(prompt: Prompt, premise: str) -> Rendered:
    """The premise alone, set as this prompt is: in a turn of its own where that is a conversation."""
    said = (Segment(premise),)
    if prompt.chat is None:
        return Rendered(said)
    gap = prompt.layout.demo_separator
    turns = conversation(prompt.chat, "", gap, (), said)
    return Rendered(flat(turns, gap), conversation=turns)


def _solved(shot: Shot) -> tuple[Segment, ...]:
    """The filled template with its answer in place."""
    index = next((i for i, s in enumerate(shot.segments) if s.origin == "answer"), len(shot.segments))
    return (*shot.segments[:index], Segment(shot.answer), *shot.segments[index + 1 :])


def _joined(blocks: Sequence[tuple[Segment, ...]], gap: Segment) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for block in blocks:
        segments += [gap, *block] if segments else block
    return tuple(s for s in segments if s.text or s.origin in MARKS)


def _bare(prompt: Prompt) -> Prompt:
    return Prompt(prompt.template, prompt.answers, layout=prompt.layout)


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

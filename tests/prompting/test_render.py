from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.prompts import Layout, Prompt, Segment, Template
from autoprompt_search.core.types import Example
from autoprompt_search.prompting import CASINGS, answer_words, own_words, prefix_and_query, render, render_text
from autoprompt_search.testing.factories import LABELS, WORDS, examples, label_answers, prompt

QUERY = Example("q", {"text": "Fine."}, "negative")
DEMO = Example("d", {"text": "Nice."}, "positive")


def test_instruction_demonstrations_and_query_stand_in_this_order() -> None:
    made = prompt("{@Review}: {text}{@sep}{@Mood}:", instruction="Judge.")
    assert render(made, QUERY, [DEMO]).text == "Judge.\n\nReview: Nice.\nMood: good\n\nReview: Fine.\nMood:"


def test_every_part_of_the_layout_has_its_place() -> None:
    layout = Layout(" | ", "##", "upper", {"Mood": "Tone"}, answer_gap="=")
    made = prompt("{@Review}: {text}{@sep}{@Mood}", instruction="Judge.", layout=layout)
    assert render(made, QUERY, [DEMO]).text == "Judge.##REVIEW: Nice. | TONE=good##REVIEW: Fine. | TONE"
    assert render_text(made, DEMO, answer=True) == "Judge.##REVIEW: Nice. | TONE=good"


def test_an_answer_slot_is_filled_in_demonstrations_and_open_in_the_query() -> None:
    made = render(prompt("It was{@answer}: {text}", instruction="Judge."), QUERY, [DEMO])
    assert (made.text, made.rest, made.has_slot) == ("Judge.\n\nIt was good: Nice.\n\nIt was", ": Fine.", True)
    assert "".join(s.text for s in made.query) == "Judge.\n\nIt was: Fine."
    assert [(shot.answer, "".join(s.text for s in shot.segments)) for shot in made.shots] == [
        (" good", "It was: Nice.")
    ]
    assert render_text(prompt("It was{@answer}: {text}"), DEMO, answer=True) == "It was good: Nice."


def test_without_an_answer_slot_nothing_stands_after_the_answer() -> None:
    made = render(prompt("{text} It was"), QUERY)
    assert (made.rest, made.has_slot, made.query) == ("", False, ())


def test_answers_take_the_layouts_form() -> None:
    made = prompt("{text}", layout=Layout(answer="very {}."))
    assert answer_words(made, LABELS)[0][-1] == " very good."
    assert render(made, QUERY, [DEMO]).text == "Nice. very good.\n\nFine."


@pytest.mark.parametrize(
    ("casing", "shown"), [("as-is", "my Text"), ("lower", "my text"), ("upper", "MY TEXT"), ("title", "My Text")]
)
def test_casings(casing: str, shown: str) -> None:
    assert set(CASINGS) == {"as-is", "lower", "upper", "title"}
    assert render(prompt("{@my Text}", layout=Layout(casing=casing)), QUERY).text == shown


def test_what_came_from_the_data_says_so() -> None:
    """A backend must not read special tokens in it."""
    found = render(prompt("Review: {text} Mood:"), QUERY, [DEMO]).segments
    assert Segment("Fine.", "field:text") in found
    assert Segment("Nice.", "field:text") in found
    assert {s.origin for s in found if "ice" not in s.text and "ine" not in s.text} == {"template"}


def test_slots_in_the_data_stay_text() -> None:
    odd = replace(QUERY, inputs={"text": "{text} {@sep} {{}}"})
    assert render(prompt("<{text}>"), odd).text == "<{text} {@sep} {{}}>"


def test_no_segment_is_empty() -> None:
    made = prompt("{text}", layout=Layout(demo_separator="", answer_gap=""))
    assert all(s.text for s in render(made, replace(QUERY, inputs={"text": ""}), [DEMO]).segments)


@dataclass(frozen=True)
class Case:
    prompt: Prompt
    query: Example
    demos: Sequence[Example]


def literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


texts = st.text(max_size=12) | st.sampled_from(["{", "}", "{text}", "{{}}", "{0}", "{@sep}", "\n"])
pieces = texts.map(literal) | st.sampled_from(["{text}", "{other field}", "{@sep}", "{@Name}"])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    layout = Layout(
        draw(texts), draw(texts), draw(st.sampled_from(sorted(CASINGS))), {"Name": draw(texts)}, draw(texts)
    )
    words = {label: tuple(draw(st.lists(texts, min_size=1, max_size=2))) for label in LABELS}

    def example(name: str) -> Example:
        return Example(name, {"text": draw(texts), "other field": draw(texts)}, draw(st.sampled_from(LABELS)))

    marks = draw(
        st.permutations(
            [*draw(st.sets(st.sampled_from(["{@answer}", "{@pair}"]))), *draw(st.lists(pieces, max_size=6))]
        )
    )
    template = Template("drawn", "".join(marks))
    made = Prompt(template, label_answers(words), instruction=draw(texts), layout=layout)
    return Case(made, example("q"), [example(f"d{i}") for i in range(draw(st.integers(0, 3)))])


@given(cases())
def test_prefix_and_query_are_the_prompt_for_str_format(case: Case) -> None:
    prefix, query, rest = prefix_and_query(case.prompt, case.demos)
    made = render(case.prompt, case.query, case.demos)
    assert prefix + "".join(query).format(**case.query.inputs) == made.text
    assert "".join(rest).format(**case.query.inputs) == made.rest
    assert bool(rest) == made.has_slot
    assert len(query) + len(rest) == 1 + made.has_slot + ("{@pair}" in case.prompt.template.text)


@given(cases())
def test_the_querys_own_answer_is_never_read(case: Case) -> None:
    hidden = replace(case.query, target="no label at all")
    assert render(case.prompt, hidden, case.demos) == render(case.prompt, case.query, case.demos)
    assert prefix_and_query(case.prompt, case.demos)[1] == prefix_and_query(case.prompt)[1]


@given(cases())
def test_a_demonstration_is_written_as_a_query_would_be_with_its_answer(case: Case) -> None:
    parts = [render_text(replace(case.prompt, instruction=""), d, answer=True) for d in case.demos]
    parts = [case.prompt.instruction] * bool(case.prompt.instruction) + parts
    parts.append(render_text(replace(case.prompt, instruction=""), case.query))
    assert render_text(case.prompt, case.query, case.demos) == case.prompt.layout.demo_separator.join(parts)


def test_a_marked_answer_does_not_appear_before_it_is_due() -> None:
    marked = prompt(answers=label_answers({"negative": ("XNEG",), "positive": ("XPOS",)}))
    for query in examples(6):
        shown = render(marked, query, [d for d in examples(6, name="train") if d.target != query.target]).text
        assert f"X{query.target[:3].upper()}" not in shown


def test_answers_are_exact_continuations_with_the_index_of_their_label() -> None:
    made = prompt(
        answers=label_answers({"negative": ("bad", "poor"), "positive": ("good",)}), layout=Layout(answer_gap=" -> ")
    )
    assert answer_words(made, LABELS) == ((" -> bad", " -> poor", " -> good"), (0, 0, 1))
    assert answer_words(made, LABELS[::-1]) == ((" -> good", " -> bad", " -> poor"), (0, 1, 1))


def test_the_first_word_of_a_label_is_shown_in_demonstrations() -> None:
    made = prompt("{text}", answers=label_answers({**WORDS, "positive": ("good", "great")}))
    assert render(made, QUERY, [DEMO]).text == "Nice. good\n\nFine."


def test_own_words_are_the_instruction_or_the_template_without_fields() -> None:
    assert own_words(prompt("{@Review}: {text}{@sep}It was", layout=Layout(casing="lower"))) == "review: \nIt was"
    assert own_words(prompt(instruction="Judge.")) == "Judge."

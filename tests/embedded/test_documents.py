"""The corpus: every format says what it is, and its documents carry the answers they claim."""

import random
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.embedded.documents import LENGTHS, Document, documents
from autoprompt_search.embedded.formats import FORMATS, JOINERS, LONG, STYLES, Format, prior
from autoprompt_search.embedded.raters import CAREFUL, MEDIUM, SHALLOW, THOROUGH, Rater
from autoprompt_search.embedded.reviews import stream


def drawn(seed: int, number: int, *, single: bool = False) -> list[Document]:
    pool = stream(seed, split="pretrain")
    lengths = (1.0,) if single else LENGTHS
    return list(islice(documents(random.Random(seed), pool, lengths=lengths), number))


def named(name: str) -> Format:
    return next(form for form in FORMATS if form.name == name)


def favourite(care: int, answers: int) -> Rater:
    weights = prior(care, answers)
    return max(weights, key=lambda rater: weights[rater])


def test_formats_are_many_and_distinct() -> None:
    assert len(STYLES) >= 8
    assert len({form.name for form in FORMATS}) == len(FORMATS)
    assert len({(form.full_template, form.words) for form in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_templates_have_the_text_once_and_no_other_slot(form: Format) -> None:
    assert form.full_template.count("{") == form.full_template.count("{text}") == 1
    assert not form.full_template.endswith((" ", "\n"))


def test_templates_read_as_documented() -> None:
    assert named("sentiment/good/Review/title/space").full_template == "Review: {text} Sentiment:"
    assert named("cloze/great//title/newline").full_template == "{text}\nAll in all it was"
    assert (
        named("label/positive/Comment/upper/newline").full_template
        == "Decide whether the review is positive or negative.\nCOMMENT: {text}\nLABEL:"
    )


@given(care=st.integers(0, 4), answers=st.integers(1, 9), expert=st.booleans())
def test_priors_sum_to_one(care: int, answers: int, expert: bool) -> None:
    assert sum(prior(care, answers, expert=expert).values()) == pytest.approx(1)


def test_the_obvious_format_is_shallow_the_best_medium_and_long_lists_thorough() -> None:
    obvious, best = named("sentiment/good/Review/title/space"), named("cloze/great//title/space")
    assert favourite(obvious.care, 1) is SHALLOW
    assert favourite(best.care, 1) is MEDIUM
    assert favourite(best.care, LONG) is THOROUGH
    assert prior(obvious.care, 1, expert=True) == {CAREFUL: 1.0}


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_answers_stand_after_a_space_and_are_words_of_one_format(seed: int) -> None:
    pairs = {form.words for form in FORMATS}
    for document in drawn(seed, 10):
        words = set()
        for place in document.answers:
            assert document.text[place - 1] == " "
            words.add(document.text[place:].split(maxsplit=1)[0])
        assert any(words <= set(pair) for pair in pairs)
        assert document.text.split()[-1] in words


def test_documents_hold_one_to_nine_answers_or_one_if_single() -> None:
    assert {len(document.answers) for document in drawn(1, 400)} == set(range(1, 10))
    assert {len(document.answers) for document in drawn(1, 100, single=True)} == {1}


def test_one_document_in_four_is_by_experts() -> None:
    assert 0.22 < sum(document.expert for document in drawn(5, 3000)) / 3000 < 0.28


def test_every_joiner_occurs() -> None:
    texts = [document.text for document in drawn(9, 300) if len(document.answers) > 1]
    for joiner in JOINERS:
        assert any(f"great{joiner}" in text or f"happy{joiner}" in text for text in texts)

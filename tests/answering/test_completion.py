"""Answers that a model writes: what is asked, what decides the response, and what is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.answering.completion import Generation
from autoprompt_search.core.answers import Completion, Limits, TextAnswers
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.prompts import Prompt, Template
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import ledger_key, measure
from autoprompt_search.testing.factories import LABELS, WORDS, examples, prompt
from autoprompt_search.testing.scripted import ScriptedBackend

DEV = examples(30)
LABELLED = TextAnswers(Limits(4), "first-label", labels=LABELS, verbalizer=WORDS)
FREE = TextAnswers(Limits(4))
WRITER = ScriptedBackend(skill=1.0, replies={"good": "it is good", "bad": "it is bad"})
way = Generation()


def read(answers: TextAnswers, text: str, example: Example = DEV[0], finish: str = "end"):
    return way.read(prompt(answers=answers), example, Completion(text, finish, 3), 9)


def test_a_word_stands_for_its_label() -> None:
    made = measure(prompt(answers=LABELLED), DEV, WRITER)
    assert made.score > 0.9
    assert {o.prediction for o in made.outcomes} == set(LABELS)
    assert made.metrics["unscored"] == made.metrics["cut"] == 0.0
    assert "loss" not in made.metrics
    assert made.cost.completion_tokens == 3 * len(DEV)


def test_text_that_names_no_label_is_unscored_and_never_right() -> None:
    for said in ("who knows", "", "negativ"):
        found = read(LABELLED, said)
        assert (found.prediction, found.is_right) == ("", False)
        assert found.unscored in ("not-parsed", "empty")


def test_g1_text_at_the_cap_is_unscored_as_cut() -> None:
    assert read(FREE, "an answer that goes", finish="length").unscored == "cut"
    made = measure(prompt(answers=replace(FREE, limits=Limits(2))), DEV[:5], WRITER, metric="exact_match")
    assert (made.metrics["cut"], made.metrics["unscored"], made.score) == (1.0, 1.0, 0.0)


@given(st.text(max_size=60), st.sampled_from(["stop", "end", "length", "filter"]))
def test_reading_never_raises(said: str, finish: str) -> None:
    for answers in (LABELLED, FREE, TextAnswers(Limits(4), "option-letter")):
        found = read(answers, said, replace(DEV[0], options=("a", "b")), finish)
        assert bool(found.unscored) != bool(found.prediction)


def test_a_letter_stands_for_the_examples_own_option() -> None:
    example = Example("1", {"text": "which?"}, "the second", options=("the first", "the second"))
    answers = TextAnswers(Limits(4), "option-letter")
    assert read(answers, "(B)", example).is_right
    assert read(answers, "(A)", example).prediction == "the first"


def test_parsers_share_what_was_written_and_limits_do_not() -> None:
    plain = prompt(answers=FREE)
    keys = {
        name: ledger_key(prompt(answers=replace(FREE, **change)), WRITER)
        for name, change in {
            "parser": {"parser": "first-line"},
            "tokens": {"limits": Limits(5)},
            "stop": {"limits": Limits(4, ("\n",))},
        }.items()
    }
    assert keys["parser"] == ledger_key(plain, WRITER)
    assert len({*keys.values()}) == 3


def test_a_demonstration_spells_the_labels_word() -> None:
    shown = Prompt(Template("t", "{text} It was"), LABELLED)
    assert shown.answers.spelled(Example("", {}, "positive")) == "good"
    assert FREE.spelled(Example("", {}, "any text")) == "any text"


def test_a_model_that_cannot_write_is_refused() -> None:
    class Mute:
        fingerprint = "mute"

    with pytest.raises(ConfigError, match="cannot generate text"):
        way.ask(Mute(), [], prompt(answers=FREE), [])  # type: ignore[arg-type]

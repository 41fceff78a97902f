"""What the parsers make of texts that models write."""

from __future__ import annotations

import time
from typing import Any

import pytest

from autoprompt_search.answering import PARSERS
from autoprompt_search.answering.parsing import Parser
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.core.unscored import Unscored

EXAMPLE = Example("1", {"text": "?"}, "20")
LABELS = ("positive", "negative", "not_entailment", "entailment", "card", "card arrival", "a+", "\u6b63\u9762")


def make(name: str, **options: Any) -> Parser:
    return PARSERS.build(ComponentSpec(type=name, **options), labels=LABELS)


def read(name: str, text: str, finish: str = "end", **options: Any) -> object:
    return make(name, **options)(text, EXAMPLE, finish=finish)


def reason(name: str, text: str, finish: str = "end", **options: Any) -> str:
    unscored = read(name, text, finish, **options)
    assert isinstance(unscored, Unscored), unscored
    return unscored.reason


def test_verbatim_takes_all_of_a_text_that_was_not_cut() -> None:
    assert read("verbatim", " two\nlines ") == "two\nlines"
    assert reason("verbatim", " two\nlines ", "length") == "cut"


def test_first_line_is_an_answer_in_a_cut_text_once_its_end_is_written() -> None:
    assert read("first-line", "\n Paris\nQ: What", "length") == "Paris"
    assert reason("first-line", "\n Pari", "length") == "cut"
    assert read("first-line", "\n Paris") == "Paris"


def test_after_marker() -> None:
    text = "Steps...\nThe answer is 18\nQ: and?\nthe ANSWER is: 7"
    assert read("after-marker", text, marker="the answer is") == "18"
    assert read("after-marker", text, marker="the answer is", which="last") == ": 7"
    assert read("after-marker", "####\n\n 5 \n", marker="####") == "5"
    assert read("after-marker", text, "length", marker="The answer is") == "18"
    assert reason("after-marker", text, "length", marker="The answer is", which="last") == "cut"
    assert reason("after-marker", "nothing", marker="####") == "not-parsed"
    assert reason("after-marker", "so ####", marker="####") == "empty"
    with pytest.raises(ConfigError, match="marker: is blank"):
        make("after-marker", marker=" ")


def test_last_number_is_never_read_from_a_cut_text() -> None:
    assert read("last-number", "First 12, so $1,800.00!") == "1800"
    assert reason("last-number", "First 12, so 18", "length") == "cut"
    assert reason("last-number", "eighteen") == "not-parsed"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("This is POSITIVE.", "positive"),
        ("not_entailment", "not_entailment"),
        ("It is entailment, not not_entailment", "entailment"),
        ("card arrival", "card arrival"),
        ("Card: arrival", "card"),
        ("discard it, negative", "negative"),
        ("grade: A+!", "a+"),
        ("\u8fd9\u662f\u6b63\u9762\u7684", "\u6b63\u9762"),
    ],
)
def test_first_label(text: str, label: str) -> None:
    assert read("first-label", text) == label


def test_first_label_that_may_go_on_is_cut() -> None:
    assert reason("first-label", "it is card", "length") == "cut"
    assert read("first-label", "it is card, which says a lot", "length") == "card"
    assert reason("first-label", "positively no word of these") == "not-parsed"
    with pytest.raises(ConfigError, match="at least one"):
        PARSERS.build(ComponentSpec(type="first-label"), labels=())


def test_labels_that_differ_in_case_alone_are_told_apart() -> None:
    parser = PARSERS.build(ComponentSpec(type="first-label"), labels=("us", "US"))
    assert [parser(text, EXAMPLE) for text in ("us", "US", "Us")] == ["us", "US", "us"]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"), ("(B)", "B"), ("B.", "B"), ("B) because", "B"), ("B because it is", "B"), (" **C**", "C"),
        ("Answer: B", "B"), ("The correct answer is (D).", "D"), ("the answer is option C", "C"),
        ("Well, (A) is wrong. Answer: B", "B"), ("I think (c) fits", "C"), ("It must be B.", "B"),
        ("A dog barks, so the answer is C", "C"), ("Option B", "B"), ("**Answer:** A", "A"),
    ],
)  # fmt: skip
def test_option_letter(text: str, letter: str) -> None:
    assert read("option-letter", text) == letter


@pytest.mark.parametrize("text", ["A dog", "I think so", "Because", "answer", "B-side", "B's"])
def test_no_option_letter(text: str) -> None:
    assert reason("option-letter", text) == "not-parsed"


def test_option_letters_end_with_the_options_of_the_example() -> None:
    class Choice:
        options = ("red", "blue")
        target = "red"

    parser = make("option-letter")
    assert parser("Answer: B", Choice()) == "B"  # type: ignore[arg-type]
    assert parser("Answer: C", Choice()) == Unscored("not-parsed")  # type: ignore[arg-type]


def test_option_letter_of_a_cut_text() -> None:
    assert read("option-letter", "B. because", "length") == "B"
    assert reason("option-letter", "B", "length") == "cut"
    assert reason("option-letter", "I see (A) and", "length") == "cut"


def test_json_field() -> None:
    text = 'Sure! {"why": {"answer": "x"}, "answer": " B "} and {"answer": "C"}'
    assert read("json-field", text, field="answer") == "B"
    assert read("json-field", '{"answer": 4.50}', field="answer") == "4.5"
    assert read("json-field", '{"answer": ["a", "\u00e9"]}', field="answer") == '["a", "\u00e9"]'
    assert reason("json-field", '{"answer": null}', field="answer") == "not-parsed"
    assert reason("json-field", '{"answer": ""}', field="answer") == "empty"
    assert reason("json-field", '{"answer": "B"', field="answer") == "not-parsed"
    assert reason("json-field", '{"answer": "B"', "length", field="answer") == "cut"
    assert read("json-field", '{"answer": "B"} {"ans', "length", field="answer") == "B"
    assert reason("json-field", '{"a":' * 5000, field="answer") == "not-parsed"
    with pytest.raises(ConfigError, match="field: is empty"):
        make("json-field", field="")


def test_regex() -> None:
    assert read("regex", "weighs 20 kg", pattern=r"\d+ kg") == "20 kg"
    assert read("regex", "weighs 20 kg", pattern=r"(\w+) (\d+) kg") == "weighs"
    assert read("regex", "weighs 20 kg", pattern=r"(\w+) (?P<answer>\d+) kg") == "20"
    assert reason("regex", "nothing", pattern=r"\d") == "not-parsed"
    assert reason("regex", "20 kg and", "length", pattern=r"\d+") == "cut"
    with pytest.raises(ConfigError, match=r"pattern: is no regular expression: .*got '\('"):
        make("regex", pattern="(")


def test_a_pattern_that_tries_too_many_ways_finds_nothing_and_ends() -> None:
    started = time.process_time()
    assert reason("regex", "a" * 40 + "b", pattern=r"((a|aa|aaa)+)+\d") == "not-parsed"
    assert time.process_time() - started < 30  # it would take years


def test_code_block() -> None:
    assert read("code-block", "Here:\n```python\nx = 1\n```\n```\ny\n```") == "x = 1"
    assert read("code-block", "~~~~\n~~~\nx\n~~~~") == "~~~\nx"
    assert reason("code-block", "```python\nx = 1") == "not-parsed"
    assert reason("code-block", "```python\nx = 1", "length") == "cut"
    assert reason("code-block", "```\n```") == "empty"


def test_a_refusal_is_told_from_an_answer_that_sounds_like_one() -> None:
    assert reason("verbatim", "I'm sorry, but I can't assist with that request.") == "refused"
    assert reason("verbatim", "As an AI language model, I have no opinion.") == "refused"
    assert reason("verbatim", "I cannot help with this.") == "refused"
    assert read("verbatim", "I cannot recommend this film") == "I cannot recommend this film"
    reply = Example("1", {"text": "Can you come?"}, "I'm sorry, but I can't make it.")
    assert make("verbatim")("I'm sorry, but I can't come.", reply) == "I'm sorry, but I can't come."


def test_g11_reasoning_is_no_answer_and_without_an_end_it_is_cut_however_the_text_ended() -> None:
    assert reason("last-number", "<think>12 or 13?") == "cut"
    assert read("last-number", "<think>12 or 13?</think>\n14") == "14"
    assert reason("last-number", "<think>12</think>") == "empty"
    assert reason("last-number", "<think>12</think> ", "length") == "cut"

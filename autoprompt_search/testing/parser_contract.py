"""What every parser must keep. Subclass `ParserContract` in a test file and say how to make yours."""

# ruff: noqa: S101  (a contract is made of asserts)

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from autoprompt_search.answering.parsing import Parser
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Example
from autoprompt_search.core.unscored import Unscored

EXAMPLE = Example("1", {"text": "How much is 4 times 5?"}, "20")
PIECES = (
    "A", "B", "(B)", "I", "Answer:", "The answer is", "20", "-1,234.50", "3/4", "$", "%", "####", "good", "very good",
    "not", "```", "```python\n", "~~~", "{", "}", '{"answer":', '"B"', "null", "[", "\n", " ", "\n\n", ".", ",", ")",
    "<think>", "</think>", "I can't help", "I'm sorry, but I can't", "\u2212", "\u0663", "\ud55c", "\u0130", "\x00",
)  # fmt: skip
"""Pieces of texts like those of models, and of worse ones."""


def sample_texts(number: int = 400) -> Iterator[str]:
    """Texts put together from `PIECES`, always the same ones."""
    rng = derive_rng("texts of models")
    for _ in range(number):
        yield "".join(rng.choice(PIECES) for _ in range(rng.randrange(12)))


def check_any_text(parser: Parser, text: str, finish: str) -> None:
    """Fail where the parser raises, or gives an answer that is blank or has blanks around it."""
    answer = parser(text, EXAMPLE, finish=finish)
    assert isinstance(answer, Unscored) or (answer and answer == answer.strip()), f"{text!r} gives {answer!r}"


def check_cut_text(parser: Parser, text: str, more: str) -> None:
    """Fail where an answer is read from a text that was cut, and another one from the whole."""
    answer = parser(text, EXAMPLE, finish="length")
    if isinstance(answer, str):
        whole = parser(text + more, EXAMPLE)
        assert whole == answer, f"{text!r} gives {answer!r}, and with {more!r} behind it {whole!r}"


class ParserContract:
    """The contract of `Parser`, as tests that pytest collects in a subclass named `Test...`."""

    @abstractmethod
    def make(self) -> Parser:
        """The parser under test."""

    @property
    @abstractmethod
    def readable(self) -> str:
        """A text that it reads an answer from."""

    def test_a_readable_text_is_read(self) -> None:
        """The same way each time, by two parsers made alike."""
        answer = self.make()(self.readable, EXAMPLE)
        assert isinstance(answer, str), f"{self.readable!r} was not read: {answer}"
        assert answer == self.make()(self.readable, EXAMPLE)

    def test_any_text_is_read_or_unscored(self) -> None:
        """Nothing is raised, and no answer is blank or has blanks around it."""
        parser = self.make()
        for text in sample_texts():
            for finish in ("stop", "end", "length", "filter"):
                check_any_text(parser, text, finish)

    def test_an_answer_of_a_cut_text_holds_whatever_follows(self) -> None:
        """What is read from a text that was cut is what would have been read from the whole one."""
        parser = self.make()
        for text in sample_texts():
            for at in {len(text) // 3, len(text) // 2, len(text)}:
                check_cut_text(parser, text[:at], text[at:] or "B. 7")

    def test_reasons_are_told_apart(self) -> None:
        """Blank texts are empty, unended reasoning is cut, a filter and the words of a refusal are refusals."""
        parser = self.make()
        assert parser(" \n ", EXAMPLE) == Unscored("empty")
        assert parser("<think>" + self.readable, EXAMPLE, finish="length") == Unscored("cut")
        assert parser(self.readable, EXAMPLE, finish="filter") == Unscored("refused")
        assert parser("I'm sorry, but I can't help with that. " + self.readable, EXAMPLE) == Unscored("refused")

    def test_reasoning_is_not_read(self) -> None:
        """An answer is the same with reasoning before it that names another one."""
        parser = self.make()
        thoughts = "<think>Is it 7? Answer: A, bad. ```\nno\n```</think>"
        assert parser(thoughts + self.readable, EXAMPLE) == parser(self.readable, EXAMPLE)

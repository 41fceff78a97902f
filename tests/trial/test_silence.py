"""A model that says nothing, and stop strings that end what should not end."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search.core.answers import AnswerForm, Asking, Completion, Limits
from autoprompt_search.core.errors import SystemicError, TrialError
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.prompts import Template
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.prompting import PromptBook
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.testing.factories import examples, job
from autoprompt_search.testing.runner_contract import drive
from autoprompt_search.trial import TrialJob
from autoprompt_search.trial.silence import check_answers


def answered(*texts: str, stop: str = "") -> list[Outcome]:
    return [Outcome(str(i), "x", text, Completion(text, "end", 1, stop)) for i, text in enumerate(texts)]


def test_g5_a_model_that_has_nothing_to_say_is_stopped_with_a_hint() -> None:
    check_answers(answered("", "", "a", "b"))
    with pytest.raises(TrialError, match=r"3 of the first 4 answers are empty: an instruct model needs its chat temp"):
        check_answers(answered("", " ", "a", "\n"))
    check_answers(answered(*"abcdefgh", *[""] * 50))


def writing(folder: Path, stop: tuple[str, ...], reply: str) -> TrialJob:
    form = AnswerForm("text")
    asking = Asking(limits=Limits(12, stop))
    book = PromptBook(templates={"plain": Template("plain", "{text} So:", "statement")}, words={}, intros={},
                      instructions={}, verbalizers={}, form=form, asking=asking)  # fmt: skip
    spec = ComponentSpec(type="scripted", replies={"x": reply})
    return job(folder, backend=spec, book=book, answers=form, metric="exact_match", dev=examples(24))


def test_g5_the_search_ends_with_the_baselines_reason(tmp_path: Path) -> None:
    with pytest.raises(SystemicError, match=r"the baseline failed.*answers are empty"):
        drive(LocalRunner(), writing(tmp_path, (" Question",), "Question: what else?"), trials=3)


def test_g10_a_stop_string_within_the_reasoning_is_named() -> None:
    with pytest.raises(TrialError, match=r"ended by the stop string 'Question': take it out of answer\.stop"):
        check_answers(answered("", "", "", stop="Question"))

"""The section `answer` and the parameters beside it: what fits the task, and one clear line for what does not."""

from __future__ import annotations

import pytest

from autoprompt_search.core.answers import LabelAnswers, Limits, TextAnswers

TEXT = "answer={by: text, tokens: 8, stop: ['.', '!']}"


def composed(space_file, *overrides, **params):
    config = space_file.load(*overrides)
    from autoprompt_search.core.answers import AnswerForm

    return config.book(AnswerForm("label", ("neg", "pos"))).compose({"template": "plain", **params})


def test_labels_are_compared_where_nobody_says_otherwise(space_file):
    assert isinstance(composed(space_file).answers, LabelAnswers)


def test_labels_may_be_written_and_read(space_file):
    answers = composed(space_file, TEXT).answers
    assert answers == TextAnswers(
        Limits(8, (".", "!")), "first-label", {}, ("neg", "pos"), {"neg": ("bad",), "pos": ("good", "fine")}
    )


def test_parameters_win_over_the_section(space_file):
    answers = composed(
        space_file,
        TEXT,
        "answer.parsers={mine: {type: after-marker, marker: 'so:'}}",
        **{"answer.parser": "mine", "answer.tokens": 5},
    ).answers
    assert (answers.parser, answers.options, answers.limits.tokens) == ("after-marker", {"marker": "so:"}, 5)
    likelihood = composed(space_file, TEXT, **{"answer.by": "likelihood"})
    assert isinstance(likelihood.answers, LabelAnswers)


def test_a_premise_is_asked_for_where_some_prompt_needs_it(space_file):
    searched = "space.answer.normalise={kind: choice, values: [none, byte, pmi]}"
    answers = composed(space_file, searched, **{"answer.normalise": "byte"}).answers
    assert (answers.normalise, bool(answers.premise)) == ("byte", True)
    assert answers.alone.premise is None
    assert composed(space_file, searched, **{"answer.normalise": "none"}).answers.premise is None
    given = composed(space_file, "answer={normalise: pmi, premise: So it is}").answers
    assert (given.normalise, given.premise) == ("pmi", "So it is")
    assert composed(space_file, "answer={normalise: token}").answers.premise is None


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["answer={by: sound}"], ["answer.by", "'likelihood' or 'text'", "sound"]),
        (["answer={tokens: 0}"], ["answer.tokens", "greater than or equal to 1", "0"]),
        (["answer={stop: ['']}"], ["answer.stop", "empty text"]),
        ([TEXT, "answer.parser=verbatm"], ["answer.parser: unknown parser 'verbatm'", "mean 'verbatim'"]),
        ([TEXT, "answer.parser=regex"], ["answer.parser: 'regex' needs an option", "pattern: is required"]),
        (
            [TEXT, "answer.parsers={mine: {type: after-marker, marks: x}}"],
            ["answer.parsers.mine", "marks", "marker"],
        ),
        (
            [TEXT, "space.answer.parser={kind: choice, values: [verbatim, nope]}"],
            ["space.answer.parser.values: unknown parser 'nope'"],
        ),
        (
            ["space.answer.parser={kind: choice, values: [verbatim, first-label]}"],
            ["space.answer.parser", "no answer is generated", "answer: {by: text}"],
        ),
        ([TEXT, "space.answer.parse=verbatim"], ["space.answer.parse: unknown parameter", "answer.parser"]),
        ([TEXT, "space.answer.tokens={kind: int, low: 0, high: 8}"], ["space.answer.tokens", "1 or more"]),
        ([TEXT, "space.calibration={kind: choice, values: [none, batch]}"], ["space.calibration", "'batch'"]),
        (
            ["space.answer.normalise={kind: choice, values: [none, tokens]}"],
            ["space.answer.normalise.values: unknown normalisation 'tokens'", "mean 'token'"],
        ),
        (["space.answer.normalise={kind: int, low: 0, high: 3}"], ["space.answer.normalise: must be a choice among"]),
        ([TEXT, "answer.normalise=byte"], ["answer.normalise", "no answers are compared"]),
        (["answer={premise: So}"], ["answer.premise", "pmi", "'So'"]),
        (
            ["answer={normalise: token}", "backend.type=hf-classifier", "backend.model=x"],
            ["backend.type: 'hf-classifier' cannot compare answers of unequal length", "hf-causal"],
        ),
        ([TEXT, "backend.type=hf-classifier", "backend.model=x"], ["backend.type", "cannot generate text"]),
        (
            [TEXT, "backend={type: hf-masked, model: x}", "space.soft.method={kind: choice, values: [none, p-tuning]}"],
            ["space.soft.method", "'p-tuning' is trained on the text of answers", "hf-causal, hf-seq2seq"],
        ),
        ([TEXT, "task.metric=bleu"], ["task.metric: 'bleu' does not judge answers that are a label", "accuracy"]),
    ],
)
def test_what_does_not_fit_is_one_clear_line(space_file, overrides, said):
    problems = [p for p in space_file.problems(*overrides) if all(part in p for part in said)]
    assert len(problems) == 1, space_file.problems(*overrides)

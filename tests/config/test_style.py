"""Templates that are chosen by their style."""

from __future__ import annotations

import pytest

from autoprompt_search.config.rules_style import usable_templates
from autoprompt_search.core.answers import AnswerForm


@pytest.fixture
def styled(space_file):
    space = space_file.data["space"]
    space.pop("template")
    space_file.data["templates"]["asked"] = {
        "text": "{text} Good?",
        "words": {"neg": "no", "pos": "yes"},
        "style": "question",
    }
    space_file.data["space"] = {
        "style": {"kind": "choice", "values": ["question", "statement"]},
        "style.pick": {"kind": "int", "low": 0, "high": 1},
        **space,
    }
    return space_file


def test_a_style_picks_among_its_own_templates(styled):
    config = styled.load()
    book = config.book(AnswerForm(labels=("neg", "pos")))

    def name(**point):
        return book.compose(point).template.name

    assert name(style="statement") == "plain"
    assert [name(**{"style": "question", "style.pick": i}) for i in range(4)] == ["cloze", "asked", "cloze", "asked"]
    assert name() == "plain"
    assert usable_templates(config) == ["plain", "cloze", "asked"]
    assert usable_templates(styled.load("space.style=question")) == ["cloze", "asked"]


CASES = {
    "no template of it": (
        lambda d: d["space"]["style"].update(values=["question", "instruction"]),
        "space.style.values: no template has it: unknown style 'instruction'",
    ),
    "two that choose": (
        lambda d: d["space"].update(template={"kind": "choice", "values": ["plain"]}),
        "space.style: chooses templates, and so does template: leave one of them out",
    ),
    "a pick without a style": (lambda d: d["space"].pop("style"), "space.style.pick: means nothing without style"),
    "a pick that is no number": (
        lambda d: d["space"].update({"style.pick": {"kind": "choice", "values": ["a"]}}),
        "space.style.pick: must be whole numbers from 0 on (got kind 'choice')",
    ),
    "a style that is a number": (
        lambda d: d["space"].update(style={"kind": "int", "low": 0, "high": 1}),
        "space.style: must be a choice of styles (got kind 'int')",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_mistakes(styled, name):
    change, message = CASES[name]
    change(styled.data)
    assert message in "\n".join(styled.problems())

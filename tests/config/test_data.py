"""Rules that need examples or a tokenizer."""

from dataclasses import replace

import pytest

from autoprompt_search.config import check_data, check_model
from autoprompt_search.core.types import Example, Splits
from autoprompt_search.tasks import TASKS
from autoprompt_search.testing.scripted import ScriptedBackend


@pytest.fixture
def loaded(space_file):
    config = space_file.load()
    return config, TASKS.build(config.task).load(config.seed)


def model_problems(config, splits, backend):
    return check_model(config, config.book(("neg", "pos")), splits, backend)


def test_a_sound_search_has_no_problems(loaded):
    config, splits = loaded
    assert check_data(config, splits) == []
    assert model_problems(config, splits, ScriptedBackend()) == []


def test_fewer_dev_examples_than_the_last_rung(loaded):
    config, splits = loaded
    problems = check_data(config, replace(splits, dev=splits.dev[:9]))
    assert problems == ["rungs: the last rung needs 12 dev examples, the dev split has 9"]


def test_more_demonstrations_than_train_examples(loaded):
    config, splits = loaded
    assert any(
        "space.demos.k: 4" in p and "3 examples" in p
        for p in check_data(config, replace(splits, train=splits.train[:3]))
    )


def test_balanced_demonstrations_need_enough_of_each_label(space_file, loaded):
    _, splits = loaded
    config = space_file.load(
        "space.demos.strategy.values=[none, balanced, random, knn]",
        "space.demos.k.when.demos.strategy=[balanced, random, knn]",
    )
    train = (
        tuple(e for e in splits.train if e.target == "neg") + tuple(e for e in splits.train if e.target == "pos")[:1]
    )
    assert any("2 of label 'pos'" in p and "has 1" in p for p in check_data(config, replace(splits, train=train)))


def test_a_label_without_examples_and_an_empty_split(loaded):
    config, splits = loaded
    only = tuple(e for e in splits.dev if e.target == "neg") * 3
    assert any("dev split has no example of 'pos'" in p for p in check_data(config, replace(splits, dev=only)))
    assert any("test split has no examples" in p for p in check_data(config, replace(splits, test=())))


def test_prompts_beyond_the_context_name_the_template(loaded):
    config, splits = loaded
    [problem] = model_problems(config, splits, ScriptedBackend(context=7))
    assert problem.startswith("templates.plain, templates.cloze: a prompt is too long") or "templates.plain" in problem


def test_demonstrations_that_do_not_fit_say_how_many_do(loaded):
    config, splits = loaded
    [problem] = model_problems(config, splits, ScriptedBackend(context=22))
    assert problem.startswith("space.demos.k: 4 of the longest demonstrations do not fit, at most 1 do")
    assert "space.demos.k.high=1" in problem


def test_words_the_tokenizer_cannot_tell_apart(space_file, loaded):
    _, splits = loaded
    config = space_file.load("templates.cloze.words={neg: so so, pos: so  so}")
    [problem] = model_problems(config, splits, ScriptedBackend())
    assert problem.startswith("templates.cloze: ")
    assert "same tokens" in problem


def test_a_model_that_is_not_there_is_one_problem():
    class Missing:
        fingerprint = "x"

        def problems(self, prompts, answers):
            return ["model: no folder 'nope'"]

    splits = Splits((), (), (Example("a", {"text": "x"}, "pos"),))
    assert check_model(None, None, splits, Missing()) == ["backend: model: no folder 'nope'"]

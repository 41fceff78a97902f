"""Rules that need examples or a tokenizer."""

from dataclasses import replace

import pytest

from autoprompt_search.config import check_data, check_model
from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.types import Example, Splits
from autoprompt_search.tasks import TASKS
from autoprompt_search.testing.scripted import ScriptedBackend


@pytest.fixture
def loaded(space_file):
    config = space_file.load()
    return config, TASKS.build(config.task).load(config.seed)


LABELS = AnswerForm("label", ("neg", "pos"))


def model_problems(config, splits, backend):
    return check_model(config, config.book(AnswerForm("label", ("neg", "pos"))), splits, backend)


def test_a_sound_search_has_no_problems(loaded):
    config, splits = loaded
    assert check_data(config, splits, LABELS) == []
    assert model_problems(config, splits, ScriptedBackend()) == []


def test_fewer_dev_examples_than_the_last_rung(loaded):
    config, splits = loaded
    problems = check_data(config, replace(splits, dev=splits.dev[:9]), LABELS)
    assert problems == ["rungs: the last rung needs 12 dev examples, the dev split has 9"]


def test_more_demonstrations_than_train_examples(loaded):
    config, splits = loaded
    assert any(
        "space.demos.k: 4" in p and "3 examples" in p
        for p in check_data(config, replace(splits, train=splits.train[:3]), LABELS)
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
    assert any(
        "2 of label 'pos'" in p and "has 1" in p for p in check_data(config, replace(splits, train=train), LABELS)
    )


def test_a_label_without_examples_and_an_empty_split(loaded):
    config, splits = loaded
    only = tuple(e for e in splits.dev if e.target == "neg") * 3
    assert any("dev split has no example of 'pos'" in p for p in check_data(config, replace(splits, dev=only), LABELS))
    assert any("test split has no examples" in p for p in check_data(config, replace(splits, test=()), LABELS))


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


SOFT = {
    "soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]},
    "soft.tokens": {"kind": "int", "low": 1, "high": 30, "when": {"soft.method": ["prompt-tuning"]}},
}


def with_soft(space_file, **changes):
    """Bare prompts of at most eight words, 38 with the longest soft prompt; up to four demonstrations more."""
    space_file.data["backend"] = {"type": "hf-causal", "model": "x"}
    space_file.data["space"] |= {name: {**param, **changes.get(name, {})} for name, param in SOFT.items()}
    return space_file.load()


def test_soft_tokens_take_room(space_file, loaded):
    _, splits = loaded
    config = with_soft(space_file)
    problems = model_problems(config, splits, ScriptedBackend(context=37))
    assert any(p.startswith("templates.") and "too long" in p for p in problems)
    assert model_problems(config, splits, ScriptedBackend(context=90)) == []
    [problem] = model_problems(config, splits, ScriptedBackend(context=50))
    assert problem.startswith("space.demos.k: 4 of the longest demonstrations do not fit")


def test_soft_tokens_take_no_room_beside_demonstrations_where_they_never_stand(space_file, loaded):
    _, splits = loaded
    alone = with_soft(space_file, **{"soft.method": {"when": {"demos.strategy": ["none"]}}})
    assert model_problems(alone, splits, ScriptedBackend(context=50)) == []
    space_file.data["space"] = {**SOFT, **space_file.data["space"]}
    space_file.data["space"]["soft.method"] = SOFT["soft.method"]
    space_file.data["space"]["demos.strategy"]["when"] = {"soft.method": ["none"]}
    assert model_problems(space_file.load(), splits, ScriptedBackend(context=50)) == []
    assert model_problems(space_file.load(), splits, ScriptedBackend(context=37)), "bare prompts still do"


def test_methods_that_the_architecture_cannot_hold(space_file, loaded):
    class Distilled(ScriptedBackend):
        architecture = "distilbert"

    _, splits = loaded
    space_file.data["backend"] = {"type": "hf-masked", "model": "x"}
    space_file.data["space"]["soft.method"] = {"kind": "choice", "values": ["none", "prefix-tuning", "p-tuning"]}
    config = space_file.load()
    [problem] = model_problems(config, splits, Distilled())
    assert problem.startswith("space.soft.method: 'prefix-tuning' does not fit the architecture 'distilbert'")
    assert problem.endswith("choose among prompt-tuning, p-tuning, residual-prompt-tuning")
    assert model_problems(config, splits, ScriptedBackend()) == []
    assert model_problems(space_file.load("space.soft.method=p-tuning"), splits, Distilled()) == []


def test_words_that_are_not_known_yet_are_not_compared(space_file, loaded):
    """Label names are stand-ins: two of them with the same tokens say nothing about the words to come."""
    _, splits = loaded
    space_file.data["space"]["verbalizer"] = "auto"
    config = space_file.load()
    alike = {"neg": "so so", "pos": "so  so"}
    train = tuple(replace(e, target=alike[e.target]) for e in splits.train)
    book = config.book(AnswerForm("label", tuple(alike.values())))
    assert check_model(config, book, replace(splits, train=train), ScriptedBackend()) == []


def test_a_model_that_is_not_there_is_one_problem():
    class Missing:
        fingerprint = "x"

        def problems(self, prompts, answers):
            return ["model: no folder 'nope'"]

    splits = Splits((), (), (Example("a", {"text": "x"}, "pos"),))
    assert check_model(None, None, splits, Missing()) == ["backend: model: no folder 'nope'"]

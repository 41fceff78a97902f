"""The scripted backend keeps the contract, and its rule does what it says."""

from __future__ import annotations

import time

import numpy as np
import pytest

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.prompts import Demonstrations, Prompt, Template
from autoprompt_search.core.protocols.model import ProposesWords
from autoprompt_search.core.protocols.tuning import Tunes
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.prompting import answer_words, render
from autoprompt_search.testing.backend_contract import EmbedsContract, ScoresContract, rendered
from autoprompt_search.testing.compare_contract import ComparesContract
from autoprompt_search.testing.factories import label_answers
from autoprompt_search.testing.generation_contract import GeneratesContract
from autoprompt_search.testing.scripted import ScriptedBackend

LABELS = ("negative", "positive")
WORDS = {"negative": ("bad",), "positive": ("good",)}
EXAMPLES = [
    Example(str(i), {"text": f"film {i} was {WORDS[LABELS[i % 2]][0]} to watch"}, LABELS[i % 2]) for i in range(400)
]


class TestContract(ScoresContract, ComparesContract, EmbedsContract):
    @pytest.fixture
    def make(self):
        return ScriptedBackend

    @pytest.fixture
    def backend(self, make):
        return make()


REPLIES = {"good": "a happy one\nand more", "awful": "an unhappy one", "fine": "so so", "bad": "no"}


class TestWriting(GeneratesContract):
    @pytest.fixture(params=["", "\n\nReview: and so on"], ids=["ends", "goes on"])
    def make(self, request):
        return lambda **options: ScriptedBackend(replies=REPLIES, tail=request.param, **options)


def test_replies_are_right_on_a_share_of_queries_that_is_the_skill():
    rows = [rendered(f"film {i} was {('good', 'awful')[i % 2]}") for i in range(400)]
    for skill in (0.3, 0.9):
        backend = ScriptedBackend(skill=skill, replies={"good": "yes", "awful": "not at all"})
        found = backend.generate(rows, Limits(8)).completions
        right = sum(one.text == (" yes", " not at all")[i % 2] for i, one in enumerate(found)) / len(found)
        assert abs(right - skill) < 0.12
        assert {one.finish for one in found} == {"end"}


def test_without_replies_it_writes_the_answers_of_its_cues():
    backend = ScriptedBackend(skill=1.0, cues={"yes": "good", "no": "bad"}, tail="\n\nReview: next")
    (one,) = backend.generate([rendered("a good film")], Limits(9, stop=("\n\n",))).completions
    assert (one.text, one.finish) == (" yes", "stop")
    (cut,) = backend.generate([rendered("a good film")], Limits(3)).completions
    assert (cut.text, cut.finish, cut.tokens) == (" yes\n\nReview: next", "length", 3)


def test_what_it_writes_is_part_of_its_fingerprint():
    prints = [ScriptedBackend(**o).fingerprint for o in ({}, {"replies": {"a": "b"}}, {"tail": "x"})]
    assert len(set(prints)) == 3


def accuracy(backend, demos=0, text="Review: {text} Sentiment:"):
    prompt = Prompt(Template("t", text), label_answers(WORDS), demos=Demonstrations())
    shown = [Example("d", {"text": "a dull one"}, "negative")] * demos
    answers, groups = answer_words(prompt, LABELS)
    logliks = backend.score([render(prompt, e, shown) for e in EXAMPLES], answers).logliks
    chosen = [LABELS[groups[int(column)]] for column in logliks.argmax(1)]
    return float(np.mean([c == e.target for c, e in zip(chosen, EXAMPLES, strict=True)]))


def test_the_registry_builds_it():
    backend = BACKENDS.build(ComponentSpec(type="scripted", skill=0.9))
    assert isinstance(backend, ScriptedBackend)
    assert not isinstance(backend, Tunes)


def test_skill_demonstrations_and_wording_decide_the_score():
    assert accuracy(ScriptedBackend(skill=0.6)) == pytest.approx(0.6, abs=0.1)
    assert accuracy(ScriptedBackend(skill=0.9)) == pytest.approx(0.9, abs=0.1)
    scores = [accuracy(ScriptedBackend(skill=0.6), demos=k) for k in (0, 2, 4)]
    assert scores == sorted(scores)
    assert scores[2] - scores[0] == pytest.approx(0.2, abs=0.05)
    assert len({accuracy(ScriptedBackend(), text=t) for t in ("{text} so", "{text} It was", "Is {text} fun?")}) > 1


def test_cues_name_the_right_answer_where_the_text_does_not():
    other = ScriptedBackend(skill=0.95, cues={"good": "bad", "bad": "good"})
    assert accuracy(other) < 0.2


def test_the_seed_decides_which_queries_are_hard():
    assert accuracy(ScriptedBackend(seed=1)) == accuracy(ScriptedBackend(seed=1))
    assert ScriptedBackend(seed=1).fingerprint != ScriptedBackend(seed=2).fingerprint
    assert ScriptedBackend(seconds=1.0, fail_on="x").fingerprint == ScriptedBackend().fingerprint


def proposed(count, gap=" ", examples=EXAMPLES[:60]):
    prompt = Prompt(Template("t", "good or bad: {text} So"), label_answers(WORDS))
    targets = [LABELS.index(e.target) for e in examples]
    return ScriptedBackend().propose_words([render(prompt, e) for e in examples], targets, 2, count, gap)


def test_it_proposes_the_words_of_the_data_that_tell_labels_apart():
    assert isinstance(ScriptedBackend(), ProposesWords)
    assert proposed(1) == [("bad",), ("good",)]
    assert proposed(1, examples=EXAMPLES[:60][::-1]) == proposed(1)
    words = [word for row in proposed(3) for word in row]
    assert len(set(words)) == 6, "no word twice"
    assert "or" not in words, "the template's own words tell nothing"


def test_there_are_no_more_words_than_the_data_have():
    assert sum(map(len, proposed(50, examples=EXAMPLES[:2]))) == len(
        {"film", "0", "1", "was", "bad", "good", "to", "watch"}
    )


def test_tokens_are_words():
    rows = [render(Prompt(Template("t", "{text} It was"), label_answers(WORDS)), e) for e in EXAMPLES[:3]]
    backend = ScriptedBackend()
    assert tuple(backend.count_tokens(rows)) == backend.score(rows, [" good", " bad"]).prompt_tokens


def test_it_fails_on_demand_and_takes_its_time(monkeypatch):
    prompt = Prompt(Template("t", "{text}"), label_answers(WORDS))
    rows = [render(prompt, EXAMPLES[0])]
    with pytest.raises(TrialError, match="'watch'"):
        ScriptedBackend(fail_on="watch").score(rows, [" good"])
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    backend = ScriptedBackend(seconds=0.05)
    backend.score(rows, [" good", " bad"])
    assert waits == [0.05]
    assert backend.scored == 1

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.answering.likelihood import Likelihood
from autoprompt_search.core.answers import LabelAnswers, LabelLogprobs
from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.measurements import Answered, Cost, Fidelity
from autoprompt_search.core.prompts import Demonstrations, Layout, Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Scored
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import PredictionCache, ledger_key, measure, render_all
from autoprompt_search.testing.factories import LABELS, WORDS, examples, label_answers, prompt
from autoprompt_search.testing.scripted import ScriptedBackend

DEV = examples(40)


class Given:
    """A backend that answers by a table: answer -> log-likelihood, the same for every prompt."""

    fingerprint = "given"

    def __init__(self, table: Mapping[str, float]) -> None:
        self._table = table

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str]) -> list[str]:
        return []

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        row = [self._table[answer.strip()] for answer in answers]
        return Scored(np.array([row] * len(prompts), dtype=np.float32), (5,) * len(prompts))


def test_outcomes_come_in_the_order_of_the_examples() -> None:
    forth, back = (measure(prompt(), part, ScriptedBackend()) for part in (DEV, DEV[::-1]))
    assert [o.example for o in forth.outcomes] == [e.id for e in DEV]
    assert [o.target for o in forth.outcomes] == [e.target for e in DEV]
    assert back.outcomes == forth.outcomes[::-1]
    assert back.score == forth.score


def test_the_summary_is_of_the_outcomes() -> None:
    made = measure(prompt(), DEV, ScriptedBackend(), metric="macro_f1", fidelity=Fidelity(40, steps=3))
    right = sum(o.is_right for o in made.outcomes)
    assert 0 < right < 40
    assert made.metrics["accuracy"] == right / 40
    assert made.score == made.metrics["macro_f1"]
    assert made.stderr > 0
    losses = [-o.logprobs[LABELS.index(o.target)] for o in made.outcomes]
    assert made.metrics["loss"] == pytest.approx(sum(losses) / 40)
    assert made.fidelity == Fidelity(40, steps=3)
    words = [len(r.text.split()) for r in render_all(prompt(), DEV, None)]
    assert made.prompt_tokens == sum(words) / 40
    assert (made.cost.forward_passes, made.cost.prompt_tokens) == (40, sum(words))


@settings(max_examples=20)
@given(st.sets(st.integers(0, 39)))
def test_what_is_known_costs_nothing_and_changes_nothing(known_places: set[int]) -> None:
    alone = measure(prompt(), DEV, ScriptedBackend())
    memory = PredictionCache()
    memory.add(alone.prompt, [o for i, o in enumerate(alone.outcomes) if i in known_places])
    backend = ScriptedBackend()
    made = measure(prompt(), DEV, backend, known=memory)
    assert backend.scored == made.cost.forward_passes == 40 - len(known_places)
    assert replace(made, cost=Cost()) == replace(alone, cost=Cost())
    if len(known_places) == 40:
        assert made.cost == Cost()


def test_rungs_nest() -> None:
    """A higher rung pays for its new examples alone."""
    backend, memory = ScriptedBackend(), PredictionCache()
    low = measure(prompt(), DEV[:10], backend, known=memory)
    memory.add(low.prompt, low.outcomes)
    high = measure(prompt(), DEV, backend, known=memory)
    assert (low.cost.forward_passes, high.cost.forward_passes) == (10, 30)
    assert high.outcomes[:10] == low.outcomes


def test_memory_asks_what_is_behind_it_for_the_rest_only() -> None:
    asked: list[str] = []

    class Behind:
        def get(self, key: str, examples: Sequence[Example]) -> Mapping[str, Answered]:
            asked.extend(e.id for e in examples)
            return {e.id: Answered(LabelLogprobs((-1.0, -0.5)), 3) for e in examples}

    memory = PredictionCache(Behind())
    made = measure(prompt(), DEV[:2], ScriptedBackend())
    memory.add(made.prompt, made.outcomes)
    found = memory.get(made.prompt, DEV[:4])
    assert asked == [e.id for e in DEV[2:4]]
    assert found[DEV[0].id] == Answered(made.outcomes[0].response, made.outcomes[0].prompt_tokens)
    assert found[DEV[3].id] == Answered(LabelLogprobs((-1.0, -0.5)), 3)


def test_several_words_of_a_label_add_their_probabilities() -> None:
    """0.3 + 0.3 beats 0.4, though each of the two alone does not."""
    table = {"bad": math.log(0.3), "poor": math.log(0.3), "good": math.log(0.4)}
    words = {"negative": ("bad", "poor"), "positive": ("good",)}
    made = measure(prompt(answers=label_answers(words)), DEV[:1], Given(table))
    assert made.outcomes[0].prediction == "negative"
    assert made.outcomes[0].logprobs == pytest.approx((math.log(0.6), math.log(0.4)), abs=1e-5)


@given(st.floats(-50, 0), st.floats(-50, 0))
def test_logprobs_sum_to_one_whatever_the_likelihoods(bad: float, good: float) -> None:
    made = measure(prompt(), DEV[:1], Given({"bad": bad, "good": good}))
    assert sum(map(math.exp, made.outcomes[0].logprobs)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("labels", [LABELS, LABELS[::-1]])
def test_a_tie_goes_to_the_label_named_first(labels: tuple[str, ...]) -> None:
    made = measure(prompt(answers=LabelAnswers(tuple(labels), WORDS)), DEV[:1], Given({"bad": -2.0, "good": -2.0}))
    assert made.outcomes[0].prediction == labels[0]


def test_float_noise_between_batches_breaks_no_tie() -> None:
    made = measure(prompt(), DEV[:1], Given({"bad": -2.0, "good": -2.0 + 1e-6}))
    assert made.outcomes[0].prediction == LABELS[0]


@pytest.mark.parametrize(("bad", "good"), [(math.nan, -2.0), (-math.inf, -math.inf)])
def test_scores_that_say_nothing_end_the_trial(bad: float, good: float) -> None:
    with pytest.raises(TrialError, match="not a number"):
        measure(prompt(), DEV[:1], Given({"bad": bad, "good": good}))


def test_an_impossible_label_is_no_reason_to_fail() -> None:
    made = measure(prompt(), DEV[:1], Given({"bad": -math.inf, "good": -2.0}))
    assert made.outcomes[0].prediction == "positive"


def test_permuting_the_words_of_labels_permutes_predictions() -> None:
    swapped = {"negative": WORDS["positive"], "positive": WORDS["negative"]}
    plain, turned = (measure(prompt(answers=label_answers(w)), DEV, ScriptedBackend()) for w in (WORDS, swapped))
    other = dict(zip(LABELS, LABELS[::-1], strict=True))
    assert [o.prediction for o in turned.outcomes] == [other[o.prediction] for o in plain.outcomes]
    assert turned.score == pytest.approx(1 - plain.score)


def test_the_order_of_labels_changes_no_prediction() -> None:
    one, two = (
        measure(prompt(answers=LabelAnswers(labels, WORDS)), DEV, ScriptedBackend(skill=1.0))
        for labels in (LABELS, LABELS[::-1])
    )
    assert [o.prediction for o in one.outcomes] == [o.prediction for o in two.outcomes]
    assert [o.logprobs for o in one.outcomes] == [o.logprobs[::-1] for o in two.outcomes]


def test_fixed_demonstrations_leave_the_query_out() -> None:
    with_demos = prompt(demos=Demonstrations("random", DEV[:3]))
    for query, shown in zip(DEV[:5], render_all(with_demos, DEV[:5], None), strict=True):
        others = [d for d in DEV[:3] if d.id != query.id]
        assert shown.text.count("Review:") == len(others) + 1
        assert shown.text.count(query.inputs["text"]) == 1
        assert all(d.inputs["text"] in shown.text for d in others)


def test_demonstrations_per_query_are_chosen_again_from_what_the_prompt_says() -> None:
    knn = prompt(demos=Demonstrations("knn", DEV[:10], per_query=True, options={"k": 2}))
    shown = render_all(knn, DEV, None)
    assert all(s.text.count("Review:") == 3 for s in shown)
    assert all(s.text.count(query.inputs["text"]) == 1 for s, query in zip(shown, DEV, strict=True))


def test_the_selector_of_a_prompt_is_built_once_and_each_prompt_has_its_own() -> None:
    embedded: list[int] = []

    def embed(texts: Sequence[str]) -> Floats:
        embedded.append(len(texts))
        return ScriptedBackend().embed(texts)

    def rendered(k: int, pool: int) -> list[str]:
        demos = Demonstrations("knn", DEV[:pool], per_query=True, options={"k": k, "by": "embedding"})
        return [shown.text for shown in render_all(prompt(demos=demos), DEV[:3], embed)]

    first = rendered(2, 10)
    assert rendered(2, 10) == first
    assert embedded == [10, 3, 3], "the pool is embedded for the first rendering alone"
    assert rendered(1, 10) != first
    rendered(2, 9)
    assert embedded[3:] == [10, 3, 9, 3]


def test_predictions_have_an_address_of_model_prompt_and_answers() -> None:
    def key(labels: Sequence[str] = LABELS, skill: float = 0.6, **parts: object) -> str:
        words = parts.pop("words", WORDS)
        answers = LabelAnswers(tuple(labels), words)
        return ledger_key(prompt(answers=answers, **parts), ScriptedBackend(skill=skill))

    others = {
        key(skill=0.7),
        key(labels=LABELS[::-1]),
        key(instruction="Judge."),
        key(layout=Layout(answer_gap="")),
        key(words={"negative": ("poor",), "positive": ("good",)}),
        key(demos=Demonstrations("random", DEV[:1])),
    }
    assert len(others | {key()}) == 7
    assert key() == key() == measure(prompt(), DEV[:1], ScriptedBackend()).prompt


class Poisoned(ScriptedBackend):
    """Breaks on prompts that hold a word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word, self.asked = word, 0

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        self.asked += len(prompts)
        if any(self.word in p.text for p in prompts):
            raise IndexError("index out of range in self")
        return super().score(prompts, answers, soft)


class Short(Poisoned):
    """Has no memory left from some call on."""

    def __init__(self, call: int) -> None:
        super().__init__("dev 17:")
        self.left = call

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        self.left -= 1
        if self.left < 0:
            raise MemoryError
        return super().score(prompts, answers, soft)


@pytest.mark.parametrize("call", [0, 1, 4])
def test_memory_that_is_gone_is_no_fault_of_an_example(call: int) -> None:
    with pytest.raises(MemoryError):
        measure(prompt(), DEV, Short(call))


@pytest.mark.parametrize("place", [0, 17, 39])
def test_an_example_that_breaks_the_model_is_named_with_its_field(place: int) -> None:
    bad = replace(DEV[place], inputs={"title": "fine", "text": "so \ufffe it was bad"})
    part = [replace(e, inputs={"title": "fine", **e.inputs}) for e in DEV]
    part[place] = bad
    backend = Poisoned("\ufffe")
    wanted = (
        rf"^the example 'dev:{place}' \(its field 'text'\) breaks the model: IndexError: index out of range in self$"
    )
    with pytest.raises(TrialError, match=wanted):
        measure(prompt("{title}: {text} Sentiment:"), part, backend)
    assert backend.asked <= 40 + 40 + 5


def test_a_prompt_that_breaks_the_model_on_every_example_blames_none() -> None:
    backend = Poisoned("Review")
    with pytest.raises(IndexError, match="out of range"):
        measure(prompt(), DEV, backend)
    assert backend.asked == 40 + 2


def test_an_example_without_a_number_is_named() -> None:
    class Nan(ScriptedBackend):
        def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
            made = super().score(prompts, answers, soft)
            made.logliks[7] = np.nan
            return made

    with pytest.raises(TrialError, match=r"not a number \(NaN\) on the example 'dev:7'"):
        measure(prompt(), DEV, Nan())


def test_predictions_of_answers_that_begin_one_another_have_an_address_of_their_own():
    """What was stored before they were made exclusive is never taken for what they score now."""
    answering = Likelihood()
    nests, plain = (label_answers(w) for w in ({"neg": ("1",), "pos": ("10",)}, WORDS))
    assert answering.key(prompt(answers=nests))[-1] == "label log-likelihood, exclusive"
    assert answering.key(prompt(answers=plain))[-1] == "label log-likelihood"

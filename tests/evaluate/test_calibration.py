"""Calibrated predictions are those of the same prompt, shifted: what that changes, what it cannot, what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.answering.likelihood import calibrated
from autoprompt_search.core.answers import Calibration, LabelLogprobs
from autoprompt_search.core.measurements import Cost
from autoprompt_search.core.prompts import Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Scored
from autoprompt_search.evaluate import PredictionCache, ledger_key, measure, predict
from autoprompt_search.testing.factories import WORDS, examples, label_answers, prompt
from autoprompt_search.testing.scripted import ScriptedBackend

DEV = examples(30)
TILTED = Calibration("batch", (-0.2, -1.8))
"""Of a prompt that says `negative` for no reason."""


def shifted(logprobs: Sequence[float], offsets: Sequence[float]) -> tuple[float, ...]:
    return calibrated(LabelLogprobs(tuple(logprobs)), Calibration("batch", tuple(offsets))).values


TILTED_PROMPT = prompt(answers=label_answers(WORDS, TILTED))

numbers = st.floats(-8, 0)
rows = st.integers(2, 5).flatmap(
    lambda n: st.tuples(st.lists(numbers, min_size=n, max_size=n), st.lists(numbers, min_size=n, max_size=n))
)


@given(rows, st.floats(-3, 3))
def test_a_constant_in_all_offsets_changes_nothing(case: tuple[list[float], list[float]], constant: float) -> None:
    logprobs, offsets = case
    moved = shifted(logprobs, [o + constant for o in offsets])
    assert moved == pytest.approx(shifted(logprobs, offsets), abs=2e-5)
    assert sum(map(math.exp, moved)) == pytest.approx(1, abs=1e-4)


@given(rows, st.randoms())
def test_permuting_labels_permutes_predictions(case: tuple[list[float], list[float]], random: object) -> None:
    logprobs, offsets = case
    order = list(range(len(logprobs)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = shifted(logprobs, offsets)
    assert shifted([logprobs[i] for i in order], [offsets[i] for i in order]) == tuple(moved[i] for i in order)


def test_the_label_wins_that_gains_most_over_its_offset() -> None:
    assert shifted((math.log(0.6), math.log(0.4)), (math.log(0.75), math.log(0.25))) == pytest.approx(
        (math.log(0.8 / 2.4), math.log(1.6 / 2.4)), abs=1e-5
    )
    assert shifted((-math.inf, 0.0), (-0.7, -0.7)) == (-math.inf, 0.0)


def test_a_calibrated_prompt_is_another_prompt_with_shifted_predictions() -> None:
    plain, made = (measure(p, DEV, ScriptedBackend()) for p in (prompt(), TILTED_PROMPT))
    assert made.prompt == ledger_key(TILTED_PROMPT, ScriptedBackend()) != plain.prompt
    assert [o.logprobs for o in made.outcomes] == [shifted(o.logprobs, TILTED.offsets) for o in plain.outcomes]
    assert [o.prediction for o in made.outcomes] != [o.prediction for o in plain.outcomes]
    assert made.cost.forward_passes == plain.cost.forward_passes == 30


@pytest.mark.parametrize("known", [0, 10, 30])
def test_what_is_known_without_calibration_is_not_asked_again(known: int) -> None:
    memory, backend = PredictionCache(), ScriptedBackend()
    if known:
        before = measure(prompt(), DEV[:known], backend)
        memory.add(before.prompt, before.outcomes)
    fresh = measure(TILTED_PROMPT, DEV, ScriptedBackend())
    made = measure(TILTED_PROMPT, DEV, backend, known=memory)
    assert made.cost.forward_passes == 30 - known
    assert replace(made, cost=Cost()) == replace(fresh, cost=Cost())


def test_calibrated_predictions_are_remembered_under_their_own_name() -> None:
    memory, backend = PredictionCache(), ScriptedBackend()
    first = measure(TILTED_PROMPT, DEV, backend, known=memory)
    memory.add(first.prompt, first.outcomes)
    again = measure(TILTED_PROMPT, DEV, backend, known=memory)
    assert backend.scored == 30
    assert again == replace(first, cost=Cost())


def test_predictions_need_no_targets() -> None:
    hidden = [replace(e, target="") for e in DEV]
    made = predict(prompt(), hidden, ScriptedBackend())
    measured = measure(prompt(), DEV, ScriptedBackend())
    assert [o.prediction for o in made.outcomes] == [o.prediction for o in measured.outcomes]
    assert (made.key, made.cost.forward_passes) == (measured.prompt, 30)


class Half(ScriptedBackend):
    """Knows the states of every second prompt from an earlier call."""

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        return replace(super().score(prompts, answers, soft), computed=len(prompts) // 2)


def test_only_what_went_through_the_model_is_cost() -> None:
    whole = measure(prompt(), DEV, ScriptedBackend())
    made = measure(prompt(), DEV, Half())
    assert made.cost.forward_passes == 15
    assert made.cost.prompt_tokens == pytest.approx(whole.cost.prompt_tokens / 2, abs=1)
    assert np.isclose(made.prompt_tokens, whole.prompt_tokens)

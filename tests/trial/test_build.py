"""Prompts at points of the space: calibration, proposed words and hard demonstrations, from train alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.prompts import Prompt, Rendered, Template
from autoprompt_search.core.types import Params
from autoprompt_search.evaluate import losses, measure, predict
from autoprompt_search.prompting import PromptBook
from autoprompt_search.testing.factories import LABELS, WORDS, examples, job, label_answers
from autoprompt_search.testing.scripted import ScriptedBackend
from autoprompt_search.trial import SAMPLE, TrialJob, build_prompt
from autoprompt_search.trial.build import CALIBRATIONS, PromptBuilder, balanced

BATCH: Params = {"template": "plain", "calibration": "batch"}
CONTEXTUAL: Params = {"template": "plain", "calibration": "contextual"}
AUTO: Params = {"template": "plain", "verbalizer": "auto"}
HARD: Params = {"template": "plain", "demos.strategy": "hard", "demos.k": 3}


@pytest.fixture
def work(tmp_path: Path) -> TrialJob:
    return job(tmp_path, train=examples(100, name="train", seed=1))


def offsets(work: TrialJob, params: Params) -> tuple[float, ...]:
    made = build_prompt(work, params, ScriptedBackend()).answers.calibration
    assert made is not None
    assert made.method == params["calibration"]
    return made.offsets


@pytest.mark.parametrize("params", [BATCH, CONTEXTUAL, {**BATCH, "demos.strategy": "knn", "demos.k": 2}])
def test_offsets_are_logarithms_of_mean_probabilities(work: TrialJob, params: Params) -> None:
    backend = ScriptedBackend()
    plain = build_prompt(work, {n: v for n, v in params.items() if n != "calibration"}, backend)
    asked = CALIBRATIONS[str(params["calibration"])](work, plain)
    outcomes = predict(plain, asked, backend).outcomes
    means = [sum(math.exp(o.logprobs[i]) for o in outcomes) / len(outcomes) for i in range(2)]
    assert offsets(work, params) == tuple(round(math.log(m), 3) for m in means)


def test_content_free_inputs_are_those_of_the_paper_in_every_field(work: TrialJob) -> None:
    prompt = build_prompt(work, {"template": "plain"}, ScriptedBackend())
    assert [dict(e.inputs) for e in CALIBRATIONS["contextual"](work, prompt)] == [
        {"text": "N/A"},
        {"text": ""},
        {"text": "[MASK]"},
    ]
    bare = replace(prompt, template=Template("bare", "{text}"))
    assert all(e.inputs["text"] for e in CALIBRATIONS["contextual"](work, bare)), "nothing would be left to read"


def test_calibration_looks_at_no_label_and_at_no_dev_example(work: TrialJob) -> None:
    hidden = replace(work, train=tuple(replace(e, target=LABELS[0]) for e in work.train), dev=examples(24, seed=9))
    assert offsets(hidden, BATCH) == offsets(work, BATCH)
    assert offsets(hidden, CONTEXTUAL) == offsets(work, CONTEXTUAL)


def test_the_sample_is_seeded_small_and_leaves_demonstrations_out(work: TrialJob) -> None:
    prompt = build_prompt(work, {"template": "plain", "demos.strategy": "random", "demos.k": 8}, ScriptedBackend())
    asked = CALIBRATIONS["batch"](work, prompt)
    assert len(asked) == SAMPLE
    assert asked == CALIBRATIONS["batch"](work, prompt)
    assert asked != CALIBRATIONS["batch"](replace(work, seed=1), prompt)
    assert not {e.id for e in asked} & {e.id for e in prompt.demos.examples}
    few = replace(work, train=work.train[:10])
    assert (
        len(CALIBRATIONS["batch"](few, replace(prompt, demos=Prompt(prompt.template, label_answers(WORDS)).demos)))
        == 10
    )


def test_where_all_examples_are_demonstrations_each_is_asked_under_the_others(work: TrialJob) -> None:
    few = replace(work, train=work.train[:4])
    prompt = build_prompt(few, {"template": "plain", "demos.strategy": "random", "demos.k": 4}, ScriptedBackend())
    assert len(CALIBRATIONS["batch"](few, prompt)) == 4


def test_an_impossible_label_has_a_finite_offset(work: TrialJob) -> None:
    class Sure(ScriptedBackend):
        def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: Any = None) -> Any:
            scored = super().score(prompts, answers, soft)
            scored.logliks[:] = [0.0, -math.inf]
            return scored

    made = build_prompt(work, BATCH, Sure()).answers.calibration
    assert made is not None
    assert made.offsets[0] == 0
    assert math.isfinite(made.offsets[1])


def test_the_model_proposes_the_words_that_tell_labels_apart(work: TrialJob) -> None:
    builder = PromptBuilder(work, ScriptedBackend())
    assert builder.draft(AUTO).answers.verbalizer == {"negative": ("bad",), "positive": ("good",)}
    assert builder.spent().forward_passes == SAMPLE
    assert builder.spent().forward_passes == 0
    turned = PromptBuilder(replace(work, answers=AnswerForm("label", LABELS[::-1])), ScriptedBackend())
    assert turned.draft(AUTO).answers.verbalizer == builder.draft(AUTO).answers.verbalizer


class Asked(ScriptedBackend):
    """Keeps what it was asked to propose words for."""

    def propose_words(
        self, prompts: Sequence[Rendered], targets: Sequence[int], labels: int, count: int, gap: str
    ) -> list[tuple[str, ...]]:
        self.prompts, self.targets, self.gap = list(prompts), list(targets), gap
        return super().propose_words(prompts, targets, labels, count, gap)


def test_words_are_asked_for_zero_shot_on_a_balanced_sample_in_the_trial_s_own_text(work: TrialJob) -> None:
    backend = Asked()
    made = PromptBuilder(work, backend).draft({**AUTO, "verbalizer.words": 2, "demos.strategy": "random", "demos.k": 2})
    assert [len(words) for words in made.answers.verbalizer.values()] == [2, 2]
    assert made.demos.strategy == "random"
    assert backend.targets == [0, 1] * (SAMPLE // 2)
    assert [e.id for e in balanced(work, SAMPLE)] == [e.id for e in balanced(work, 2 * SAMPLE)][:SAMPLE]
    assert all(p.text.count("Review:") == 1 and p.text.endswith("Sentiment:") for p in backend.prompts)
    assert backend.gap == " "


@pytest.mark.parametrize(
    ("text", "answer", "before", "rest"),
    [
        ("{text} So", "{}", "So", ""),
        ("{text} So", "it was {}.", "So it was", "."),
        ("{text} So {@answer}, they say", "it was {}.", "So it was", "., they say"),
    ],
)
def test_what_the_layout_puts_around_a_word_stands_around_its_place(
    work: TrialJob, text: str, answer: str, before: str, rest: str
) -> None:
    backend, book = Asked(), PromptBook({"t": Template("t", text)}, form=AnswerForm("label", LABELS))
    PromptBuilder(replace(work, book=book), backend).draft({"verbalizer": "auto", "layout.answer": answer})
    assert all(p.text.endswith(before) and p.rest == rest for p in backend.prompts)
    assert backend.gap == " "


def test_too_few_words_end_the_trial(work: TrialJob) -> None:
    class Silent(ScriptedBackend):
        def propose_words(self, *parts: Any) -> list[tuple[str, ...]]:
            return [("bad",), ()]

    with pytest.raises(TrialError, match=r"verbalizer.words: the model proposes 0 words for 'positive', not 1"):
        build_prompt(work, AUTO, Silent())


def test_hard_demonstrations_are_what_the_baseline_text_gets_most_wrong(work: TrialJob) -> None:
    baseline: Params = {"template": "cloze", "demos.strategy": "random", "demos.k": 1, "soft.method": "prompt-tuning"}
    work, backend = replace(work, baseline=baseline), ScriptedBackend()
    made = measure(build_prompt(work, {"template": "cloze"}, backend), work.train, backend)
    lost = dict(zip([e.id for e in work.train], losses(made.outcomes), strict=True))
    worst = sorted(work.train, key=lambda e: -lost[e.id])[:3]
    assert {e.id for e in build_prompt(work, HARD, backend).demos.examples} == {e.id for e in worst}


def test_hard_examples_are_found_once_per_process(tmp_path: Path) -> None:
    work = job(tmp_path, train=examples(30, name="train", seed=2))
    builder = PromptBuilder(work, ScriptedBackend())
    builder.draft(HARD)
    assert builder.spent().forward_passes == 30
    builder.draft({**HARD, "demos.draw": 1})
    assert builder.spent().forward_passes == 0
    other = PromptBuilder(replace(work, train=examples(30, name="train", seed=3)), ScriptedBackend())
    other.draft(HARD)
    assert other.spent().forward_passes == 30, "other texts under the same ids"

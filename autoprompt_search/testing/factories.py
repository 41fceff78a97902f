"""Small values for tests of any part: examples a scripted model can judge, measurements, a space, a whole job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from autoprompt_search.core.answers import AnswerForm, Calibration, LabelAnswers, LabelLogprobs, Verbalizer
from autoprompt_search.core.measurements import Cost, Fidelity, Measurement, Outcome
from autoprompt_search.core.prompts import Prompt, Template
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.statistics.scores import Scorecard
from autoprompt_search.core.types import Example, Params
from autoprompt_search.metrics import metric_named
from autoprompt_search.prompting import PromptBook
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.studies.terms import HardLimits, ProbePlan, SearchBudget, SearchTerms
from autoprompt_search.trial import TrialJob

LABELS = ("negative", "positive")
WORDS = {"negative": ("bad",), "positive": ("good",)}
FORM = AnswerForm("label", LABELS)
ANSWERS = LabelAnswers(LABELS, WORDS)
RUNGS = (8, 24)
_THINGS = ("screen", "battery", "hinge", "price", "sound", "weight", "colour", "cable", "stand", "lens")


def examples(number: int, *, name: str = "dev", seed: int = 0) -> tuple[Example, ...]:
    """Distinct short texts; each holds its label's word, which is what `ScriptedBackend` looks for."""
    rng = derive_rng(seed, "factories", name)
    drawn = []
    for i in range(number):
        label = LABELS[i % len(LABELS)]
        text = f"{name} {i}: the {' and the '.join(rng.sample(_THINGS, 2))} were {WORDS[label][0]}"
        drawn.append(Example(f"{name}:{i}", {"text": text}, label))
    return tuple(drawn)


def label_answers(words: Verbalizer, calibration: Calibration | None = None) -> LabelAnswers:
    """Labels in the order of their words."""
    return LabelAnswers(tuple(words), words, calibration)


def prompt(text: str = "Review: {text} Sentiment:", **parts: Any) -> Prompt:
    """A plain prompt; `parts` are fields of `Prompt`."""
    return replace(Prompt(Template("plain", text), ANSWERS), **parts)


def book() -> PromptBook:
    """Three templates, all with the words of `examples`."""
    texts = {"plain": "Review: {text} Sentiment:", "cloze": "{text} All in all it was", "ask": "{text}{@sep}Verdict?"}
    templates = {name: Template(name, text) for name, text in texts.items()}
    return PromptBook(templates, words=dict.fromkeys(texts, WORDS), form=FORM)


def space() -> SearchSpace:
    """A space of 63 points: three templates, and up to four demonstrations in four draws or by similarity."""
    return SearchSpace.model_validate(
        {
            "template": {"kind": "choice", "values": ["plain", "cloze", "ask"]},
            "demos.strategy": {"kind": "choice", "values": ["none", "random", "knn"]},
            "demos.k": {"kind": "int", "low": 1, "high": 4, "when": {"demos.strategy": ["random", "knn"]}},
            "demos.draw": {"kind": "int", "low": 0, "high": 3, "when": {"demos.strategy": ["random"]}},
        }
    )


def job(state: Path, **changes: Any) -> TrialJob:
    """A search of a scripted model that takes milliseconds a trial; `changes` are fields of `TrialJob`."""
    default = TrialJob(
        backend=ComponentSpec(type="scripted"),
        book=book(),
        answers=FORM,
        train=examples(20, name="train"),
        dev=examples(RUNGS[-1]),
        metric="accuracy",
        rungs=RUNGS,
        seed=0,
        state=state,
    )
    return replace(default, **changes)


def open_study(
    folder: Path,
    over: SearchSpace | None = None,
    trials: int = 20,
    *,
    baseline: Params | None = None,
    minutes: float | None = None,
    passes: int | None = None,
    probe: ProbePlan | int = 0,
    hard_limits: HardLimits | None = None,
    **options: Any,
) -> OptunaStudy:
    """A study in `folder`, over `space()` where no other is given.

    `probe` may be its number of points; `options` are further fields of `SearchTerms` and options of `OptunaStudy`.
    """
    over = over or space()
    given = {f.name: options.pop(f.name) for f in fields(SearchTerms) if f.name in options}
    terms = SearchTerms(
        space=over,
        budget=SearchBudget(trials, minutes, passes, hard_limits or HardLimits()),
        baseline=over.baseline() if baseline is None else baseline,
        folder=folder,
        probe=ProbePlan(probe) if isinstance(probe, int) else probe,
        **{"seed": 0, "name": "test", **given},
    )
    return OptunaStudy(terms, **options)


def measurement(
    score: float,
    number: int = 32,
    *,
    is_full: bool = False,
    loss: float | None = None,
    tokens: float = 10.0,
    **fields: Any,
) -> Measurement:
    """One rung of `number` examples, without outcomes; `fields` are further fields of `Measurement`."""
    default = Measurement(
        score=score,
        stderr=0.05,
        metrics={"accuracy": score, "loss": 1 - score if loss is None else loss},
        fidelity=Fidelity(number, is_full=is_full),
        cost=Cost(forward_passes=number, prompt_tokens=10 * number),
        prompt_tokens=tokens,
    )
    return replace(default, **fields)


def label_outcomes(targets: Sequence[str], predictions: Sequence[str]) -> tuple[Outcome, ...]:
    """Answers to a classification, as a metric sees them: nothing else is known of the examples."""
    return tuple(
        Outcome(str(i), t, p, LabelLogprobs(())) for i, (t, p) in enumerate(zip(targets, predictions, strict=True))
    )


def label_card(
    metric: str, targets: Sequence[str], predictions: Sequence[str], labels: Sequence[str] = LABELS
) -> Scorecard:
    """The scorecard of such answers under a registered metric."""
    return Scorecard.of(label_outcomes(targets, predictions), metric_named(metric, labels))


def ladder(scores: Sequence[float], rungs: Sequence[int] = RUNGS) -> list[Measurement]:
    """One measurement per score, on the lowest rungs; the last rung is the full one."""
    return [measurement(s, n, is_full=n == rungs[-1]) for s, n in zip(scores, rungs, strict=False)]

"""A soft prompt that is trained a little further at every rung, the best one on dev kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from autoprompt_search.core.answers import LabelAnswers, TextAnswers
from autoprompt_search.core.measurements import Cost, Measurement
from autoprompt_search.core.prompts import Prompt, SoftPrompt
from autoprompt_search.core.protocols.model import Backend
from autoprompt_search.core.protocols.tuning import SoftMethod, TuneData, Tunes
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.core.types import Example, Params
from autoprompt_search.evaluate import PredictionCache, embedder, measure, render_all
from autoprompt_search.prompting import answer_word, answer_words, own_words, render_text
from autoprompt_search.soft import SOFT
from autoprompt_search.trial.build import PromptBuilder, balanced, unshown
from autoprompt_search.trial.job import TrialJob, options, params_key

_SHOWN = 2
"""Training examples per label that stand for demonstrations where the prompt has none of its own."""
_UNLABELLED = 4
"""The same where answers are no labels."""
_LOOK, _SHARE = 32, 4
"""Snapshots are told apart on a quarter of a rung, 32 examples at least: what is left of it only the best one sees."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The prompt of one rung, and what it took to find it."""

    prompt: Prompt
    steps: int = 0
    """Optimiser steps that its soft prompt has had, in all."""
    cost: Cost = field(default_factory=Cost)
    """Cost of training and of telling snapshots apart."""


class SoftTraining:
    """The soft prompt of one trial.

    Args:
        job: The search.
        params: The trial's point.
        prompt: Its text and demonstrations.
        backend: The model.
        builder: Calibrates every snapshot that is measured, because each favours other labels for no reason.
        cache: Predictions that are known; those on snapshots are added.
    """

    def __init__(
        self,
        job: TrialJob,
        params: Params,
        prompt: Prompt,
        backend: Backend,
        builder: PromptBuilder,
        cache: PredictionCache,
    ) -> None:
        self._job, self._params, self._prompt = job, params, prompt
        self._backend, self._builder, self._cache = backend, builder, cache
        # `soft.start` says which text the study puts into the point, `soft.draw` the seed: no options of the method.
        own = options(params, "soft.", but=("method", "start", "draw"))
        draw = params.get("soft.draw", 0)
        seed = derive_seed(job.seed, "soft-draw", draw) if draw else job.seed
        self._method: SoftMethod = SOFT.build(ComponentSpec(type=str(params["soft.method"]), **own), seed=seed)
        self._folder = job.state / "soft" / params_key(params)
        self._best: Prompt | None = None
        self._calibrated: dict[str, Prompt] = {}
        """Hash of a soft prompt -> the prompt with it: calibrated once, though it comes again at every rung."""

    def rung(self, share: float, examples: int) -> Candidate:
        """Train up to `share` of all steps; the best of the new snapshots and of earlier rungs.

        The first of the rung's examples decide which snapshot is the best, by the loss, or by the score where the
        model gives no probabilities; of equal scores the most trained one is taken.
        """
        steps = max(1, round(self._method.steps * share))
        fitted = self._method.fit(cast("Tunes", self._backend), self._data(), until=steps, folder=self._folder)
        prompts = [self._best] if self._best else []
        prompts += [p for p in map(self._with, fitted.snapshots) if p not in prompts]
        first = self._job.dev[: min(examples, max(_LOOK, examples // _SHARE))]
        looks = [self._measured(prompt, first) for prompt in prompts]
        ranks = [
            (look.metrics.get("loss", -look.score), 0 if "loss" in look.metrics else -n) for n, look in enumerate(looks)
        ]
        self._best = prompts[ranks.index(min(ranks))]
        # Training reads prompts as long as those of dev, on average: that many tokens per forward-equivalent.
        read = round(fitted.forward_passes * looks[-1].prompt_tokens)
        cost = sum((look.cost for look in looks), Cost(fitted.forward_passes, prompt_tokens=read))
        return Candidate(self._best, steps, cost)

    def _measured(self, prompt: Prompt, examples: Sequence[Example]) -> Measurement:
        looked = measure(prompt, examples, self._backend, metric=self._job.metric, known=self._cache)
        self._cache.add(looked.prompt, looked.outcomes)
        return looked

    def _with(self, soft: SoftPrompt) -> Prompt:
        if soft.sha256 not in self._calibrated:
            prompt = replace(self._prompt, soft=soft)
            self._calibrated[soft.sha256] = self._builder.calibrated(prompt, self._params)
        return self._calibrated[soft.sha256]

    def _data(self) -> TuneData:
        """Train examples that are not themselves demonstrations of a fixed prompt, see `unshown`."""
        job, prompt = self._job, self._prompt
        examples = unshown(prompt, job.train)
        is_label = isinstance(prompt.answers, LabelAnswers)
        answers, groups = answer_words(prompt, job.labels) if is_label else ((), ())
        return TuneData(
            prompts=tuple(render_all(prompt, examples, embedder(self._backend))),
            targets=tuple(job.labels.index(e.target) for e in examples) if is_label else (),
            answers=answers,
            groups=groups,
            init_text=own_words(prompt),
            label_words=answers,
            demo_texts=self._demo_texts(),
            texts=() if is_label else tuple(answer_word(prompt, e) for e in examples),
            ends=isinstance(prompt.answers, TextAnswers),
        )

    def _demo_texts(self) -> tuple[str, ...]:
        prompt = replace(self._prompt, instruction="")
        own = () if prompt.demos.per_query else prompt.demos.examples
        labels = self._job.labels
        shown = own or (balanced(self._job, _SHOWN * len(labels)) if labels else self._job.train[:_UNLABELLED])
        return tuple(render_text(prompt, e, answer=True) for e in shown)

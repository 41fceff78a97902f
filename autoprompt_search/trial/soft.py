"""A soft prompt that is trained a little further at every rung, the best one on dev kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from autoprompt_search.core.measurements import Cost, Fidelity, Measurement
from autoprompt_search.core.prompts import Prompt, SoftPrompt
from autoprompt_search.core.protocols.model import Backend
from autoprompt_search.core.protocols.tuning import SoftMethod, TuneData, Tunes
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.core.types import Params
from autoprompt_search.evaluate import embedder, render_all
from autoprompt_search.prompting import answer_words, own_words, render_text
from autoprompt_search.soft import SOFT
from autoprompt_search.trial.build import PromptBuilder, balanced, unshown
from autoprompt_search.trial.job import TrialJob, options, params_key

_SHOWN = 2
"""Training examples per label that stand for demonstrations where the prompt has none of its own."""
_LOOK, _SHARE = 32, 4
"""Snapshots are told apart on a quarter of a rung, 32 examples at least: what is left of it only the best one sees."""

Measure = Callable[[Prompt, Fidelity], Measurement]


class SoftTraining:
    """The soft prompt of one trial.

    Args:
        job: The search.
        params: The trial's point.
        prompt: Its text and demonstrations.
        backend: The model.
        maker: Calibrates every snapshot that is measured: what it prefers for no reason is its own.
    """

    def __init__(self, job: TrialJob, params: Params, prompt: Prompt, backend: Backend, maker: PromptBuilder) -> None:
        self._job, self._params, self._prompt = job, params, prompt
        self._backend, self._maker = backend, maker
        # `soft.start` says which text the study puts into the point, `soft.draw` the seed: no options of the method.
        own = options(params, "soft.", but=("method", "start", "draw"))
        draw = params.get("soft.draw", 0)
        seed = derive_seed(job.seed, "soft-draw", draw) if draw else job.seed
        self._method: SoftMethod = SOFT.build(ComponentSpec(type=str(params["soft.method"]), **own), seed=seed)
        self._folder = job.state / "soft" / params_key(params)
        self._best: Prompt | None = None
        self._finished: dict[str, Prompt] = {}
        """Hash of a soft prompt -> the prompt with it: calibrated once, though it comes again at every rung."""

    def rung(self, share: float, fidelity: Fidelity, measure: Measure) -> Measurement:
        """Train up to `share` of all steps, and measure the best of the snapshots and of earlier rungs by dev loss.

        The first examples of the rung decide which snapshot is the best.
        """
        until = max(1, round(self._method.steps * share))
        fitted = self._method.fit(cast("Tunes", self._backend), self._data(), until=until, folder=self._folder)
        prompts = [self._best] if self._best else []
        prompts += [p for p in map(self._with, fitted.snapshots) if p not in prompts]
        fidelity = replace(fidelity, steps=until)
        look = replace(fidelity, examples=min(fidelity.examples, max(_LOOK, fidelity.examples // _SHARE)))
        looks = [(measure(prompt, look), prompt) for prompt in prompts]
        self._best = min(looks, key=lambda look: look[0].metrics.get("loss", -look[0].score))[1]
        best = measure(self._best, fidelity)
        costs = [made.cost for made, _ in looks] + [best.cost]
        return replace(best, cost=sum(costs, Cost(forward_passes=fitted.forward_passes)))

    def _with(self, soft: SoftPrompt) -> Prompt:
        if soft.sha256 not in self._finished:
            self._finished[soft.sha256] = self._maker.finished(replace(self._prompt, soft=soft), self._params)
        return self._finished[soft.sha256]

    def _data(self) -> TuneData:
        """Train examples that are not themselves demonstrations of a fixed prompt, see `unshown`."""
        job, prompt = self._job, self._prompt
        examples = unshown(prompt, job.train)
        answers, groups = answer_words(prompt, job.labels)
        return TuneData(
            prompts=tuple(render_all(prompt, examples, embedder(self._backend))),
            targets=tuple(job.labels.index(e.target) for e in examples),
            answers=answers,
            groups=groups,
            init_text=own_words(prompt),
            label_words=answers,
            demo_texts=self._demo_texts(),
        )

    def _demo_texts(self) -> tuple[str, ...]:
        prompt = replace(self._prompt, instruction="")
        own = () if prompt.demos.per_query else prompt.demos.examples
        shown = own or balanced(self._job, _SHOWN * len(self._job.labels))
        return tuple(render_text(prompt, e, answer=True) for e in shown)

"""A point of the space to a complete prompt: proposed words, demonstrations, calibration, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import cast

import numpy as np

from autoprompt_search.core.answers import Answers, Calibration, LabelAnswers, OptionAnswers, Verbalizer
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Cost
from autoprompt_search.core.prompts import Layout, Prompt, Rendered, Segment
from autoprompt_search.core.protocols.model import Backend, ProposesWords
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Example, Params
from autoprompt_search.demos import DEMOS
from autoprompt_search.demos.orders import in_turn
from autoprompt_search.evaluate import PredictionCache, embedder, losses, predict
from autoprompt_search.prompting import AUTO, answer_gap, own_words, render
from autoprompt_search.trial.job import TrialJob, options

SAMPLE = 64
"""Training examples that are looked at to calibrate a prompt, or to propose words for it, at most."""
_CONTENT_FREE = ("N/A", "", "[MASK]")
_DIGITS = 3
"""Digits of offsets: coarser than the float noise between two fits, finer than any use. A prompt that is fitted again,
for the test split or for export, is the same prompt."""
_LEAST = 1e-6
"""Smallest mean probability of a label: an impossible one has a finite offset."""


class PromptBuilder:
    """Makes prompts for one search on one model, and counts what that takes of the model."""

    def __init__(self, job: TrialJob, backend: Backend) -> None:
        self._job, self._backend = job, backend
        self._spent = Cost()

    def draft(self, params: Params) -> Prompt:
        """Text, words and demonstrations at `params`; soft prompt and calibration come later, in this order."""
        job = self._job
        prompt = job.book.compose(params)
        if params.get("verbalizer") == AUTO:
            words = self._words(prompt, int(params.get("verbalizer.words", 1)))
            prompt = replace(prompt, answers=_with_words(prompt.answers, words))
        strategy = str(params.get("demos.strategy", "none"))
        if strategy == "none":
            return prompt
        spec = ComponentSpec(type=strategy, **options(params, "demos.", but=("strategy",)))
        given = {"pool": job.train, "labels": job.labels, "seed": job.seed, "embed": embedder(self._backend)}
        return replace(prompt, demos=DEMOS.build(spec, **given, losses=self._losses).demonstrations)

    def calibrated(self, prompt: Prompt, params: Params) -> Prompt:
        """`prompt`, calibrated where `params` ask for it: the offsets are the logarithms of the labels' mean
        probabilities on examples that should favour none of them.

        They depend on the whole prompt, soft prompt included, and on nothing of dev and test.
        """
        method = str(params.get("calibration", "none"))
        if method == "none" or not isinstance(prompt.answers, LabelAnswers):
            return prompt
        predicted = predict(prompt, CALIBRATIONS[method](self._job, prompt), self._backend)
        self._spent += predicted.cost
        if not all(o.logprobs for o in predicted.outcomes):
            raise TrialError(f"calibration: {method} needs probabilities of labels, and the endpoint gives none")
        means = np.exp([o.logprobs for o in predicted.outcomes]).mean(axis=0)
        offsets = np.log(np.maximum(means, _LEAST)).round(_DIGITS)
        answers = replace(prompt.answers, calibration=Calibration(method, tuple(offsets.tolist())))
        return replace(prompt, answers=answers)

    def spent(self) -> Cost:
        """What was computed since this was last asked."""
        spent, self._spent = self._spent, Cost()
        return spent

    def _words(self, prompt: Prompt, count: int) -> Verbalizer:
        """The words that the model proposes for the labels, zero-shot under this prompt's own text."""
        job = self._job
        examples = balanced(job, SAMPLE)
        prompts = [render(prompt, e) for e in examples]
        asked, gap = _before_the_word(prompts, answer_gap(prompt), prompt.layout)
        targets = [job.labels.index(e.target) for e in examples]
        model = cast("ProposesWords", self._backend)
        proposed = model.propose_words(asked, targets, len(job.labels), count, gap)
        counted = getattr(self._backend, "count_tokens", None)
        self._spent += Cost(len(asked), prompt_tokens=sum(counted(asked)) if counted else 0)
        for label, words in zip(job.labels, proposed, strict=True):
            if len(words) < count:
                raise TrialError(f"verbalizer.words: the model proposes {len(words)} words for {label!r}, not {count}")
        return dict(zip(job.labels, proposed, strict=True))

    def _losses(self, examples: Sequence[Example]) -> list[float]:
        """Loss of each example under the baseline's text, without demonstrations and soft prompt."""
        job = self._job
        point = {name: v for name, v in job.baseline.items() if not name.startswith(("demos.", "soft."))}
        prompt = self.calibrated(self.draft(point), point)
        cache = _cache_of(fingerprint(job.train))
        predicted = predict(prompt, examples, self._backend, cache)
        cache.add(predicted.key, predicted.outcomes)
        self._spent += predicted.cost
        return losses(predicted.outcomes)


def _with_words(answers: Answers, words: Verbalizer) -> Answers:
    return answers if isinstance(answers, OptionAnswers) else replace(answers, verbalizer=words)


def balanced(job: TrialJob, number: int) -> list[Example]:
    """So many training examples, the labels in turn; always the same ones of a search."""
    return in_turn(_shuffled(job), job.labels)[:number]


def unshown(prompt: Prompt, examples: Sequence[Example]) -> list[Example]:
    """Those that are not themselves demonstrations of a prompt that shows the same ones to every query.

    Where all of them are, all: each is then rendered under the other ones.
    """
    shown = set() if prompt.demos.per_query else {d.id for d in prompt.demos.examples}
    return [e for e in examples if e.id not in shown] or list(examples)


def _shuffled(job: TrialJob) -> list[Example]:
    return derive_rng(job.seed, "trial", "sample").sample(job.train, len(job.train))


def _content_free(job: TrialJob, prompt: Prompt) -> list[Example]:
    """Inputs without content in every field; none that leaves the model nothing to read."""
    texts = _CONTENT_FREE if own_words(prompt) or prompt.demos.examples else [t for t in _CONTENT_FREE if t]
    return [Example(f"content-free:{t}", dict.fromkeys(job.train[0].inputs, t), "") for t in texts]


def _some_of_train(job: TrialJob, prompt: Prompt) -> list[Example]:
    """A seeded sample of the training examples, not balanced: their labels are not looked at."""
    return unshown(prompt, _shuffled(job))[:SAMPLE]


CALIBRATIONS: Mapping[str, Callable[[TrialJob, Prompt], list[Example]]] = {
    "contextual": _content_free,
    "batch": _some_of_train,
}
"""Method -> the examples that should favour no label: inputs without content (Zhao et al. 2021, arXiv 2102.09690),
or training examples as they come (Zhou et al. 2024, arXiv 2309.17249)."""


def _before_the_word(prompts: Sequence[Rendered], gap: str, layout: Layout) -> tuple[list[Rendered], str]:
    """The prompts with what the layout puts around the word, and the gap that is left before the word itself."""
    before, _, after = (gap + layout.answer).partition("{}")
    said = before.rstrip()
    around = (Segment(said), Segment("", "answer"), Segment(after))
    return [_with_answer(p, around) if said or after else p for p in prompts], before.removeprefix(said)


def _with_answer(prompt: Rendered, around: tuple[Segment, ...]) -> Rendered:
    if prompt.conversation is not None:  # its answer ends the prompt
        said = replace(prompt.conversation, prefix=prompt.conversation.prefix + around[0].text)
        return Rendered((*prompt.segments, around[0]), conversation=said)
    slots = [i for i, s in enumerate(prompt.segments) if s.origin == "answer"]
    end = slots[-1] if slots else len(prompt.segments)
    segments = (*prompt.segments[:end], *around, *prompt.segments[end + 1 :])
    return Rendered(tuple(s for s in segments if s.text or s.origin != "template"))


@lru_cache(maxsize=2)
def _cache_of(train: str) -> PredictionCache:  # noqa: ARG001 - the key
    """What this process knows of these training examples; the ledger keeps predictions on dev and test alone."""
    return PredictionCache()

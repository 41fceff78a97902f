"""What a worker does for one point of the space: build the prompt, climb the rungs, answer with measurements.

Knows neither the study nor the space, and never sees the test split until `run_test` is handed it.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.protocols import SoftMethod, TuneData, Tunes
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Cost, Example, Fidelity, Measurement, Params, Prompt, Scalar, SoftPrompt
from autoprompt_search.demos import DEMOS
from autoprompt_search.evaluate import Memory, ScoringBackend, embedder, measure, render_all
from autoprompt_search.ledger import LedgerReader
from autoprompt_search.prompting import PromptBook, answer_words, own_words
from autoprompt_search.soft import SOFT

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrialJob:
    """All that a worker needs for any trial of one search; models stay where they are loaded."""

    backend: ComponentSpec
    book: PromptBook
    labels: tuple[str, ...]
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    """In rung order."""
    metric: str
    rungs: tuple[int, ...]
    seed: int
    state: Path
    """The search's state folder. Workers that cannot see it compute what they cannot look up."""


@dataclass(frozen=True, slots=True)
class TestTask:
    """One finalist for the sealed split."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    number: int
    params: Params
    soft: SoftPrompt | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a trial cannot go on, for people, and where it happened, for the log."""

    reason: str
    details: str = ""


class TrialRun:
    """One trial at work. Each `step` climbs one rung."""

    def __init__(self, job: TrialJob, params: Params) -> None:
        self._rungs = climb(job, params)

    def step(self) -> Measurement | Failure | None:
        """The next rung's measurement, or the reason why there is none; None after the last rung.

        This is the boundary at which any exception becomes a record.
        """
        return _guarded(lambda: next(self._rungs, None))


def run_test_guarded(job: TrialJob, task: TestTask) -> Measurement | Failure:
    """`run_test`, with a failure as a value."""
    return _guarded(lambda: run_test(job, task))


def _guarded(action: Callable[[], T]) -> T | Failure:
    try:
        return action()
    except SearchError as exc:
        return Failure(str(exc), traceback.format_exc())
    except Exception as exc:
        logger.info("A trial failed", exc_info=True)
        return Failure(f"{type(exc).__name__}: {str(exc).strip() or 'no message'}", traceback.format_exc())


def climb(job: TrialJob, params: Params) -> Iterator[Measurement]:
    """Yield one measurement per rung; the caller stops by not asking for the next."""
    backend = backend_of(job.backend)
    prompt = build_prompt(job, params, backend)
    known = Memory(LedgerReader(job.state / "ledger.sqlite"))
    tuning = _Tuning(job, params, prompt, backend) if params.get("soft.method", "none") != "none" else None
    for place, examples in enumerate(job.rungs):
        fidelity = Fidelity(examples, is_full=examples == job.rungs[-1])
        if tuning is None:
            made = _measure(job, prompt, backend, fidelity, known)
        else:
            made = tuning.rung((place + 1) / len(job.rungs), fidelity, known)
        yield replace(made, preview=_preview(job, prompt, backend))


def run_test(job: TrialJob, task: TestTask) -> Measurement:
    """A finalist on the examples it is handed."""
    backend = backend_of(job.backend)
    prompt = replace(build_prompt(job, task.params, backend), soft=task.soft)
    known = LedgerReader(job.state / "ledger.sqlite")
    made = measure(prompt, task.examples, job.labels, backend, metric=job.metric, known=known)
    return replace(made, preview=_preview(job, prompt, backend))


def build_prompt(job: TrialJob, params: Params, backend: object) -> Prompt:
    """Text and demonstrations at `params`; the soft prompt comes later."""
    prompt = job.book.compose(params)
    strategy = str(params.get("demos.strategy", "none"))
    if strategy == "none":
        return prompt
    spec = ComponentSpec(type=strategy, **_options(params, "demos.", but="strategy"))
    selector = DEMOS.build(spec, pool=job.train, labels=job.labels, seed=job.seed, embed=embedder(backend))
    return replace(prompt, demos=selector.demonstrations)


def backend_of(spec: ComponentSpec) -> ScoringBackend:
    """The model of `spec`, built once per process and kept."""
    return _backend(spec.model_dump_json())


@lru_cache(maxsize=2)
def _backend(spec: str) -> ScoringBackend:
    return cast("ScoringBackend", BACKENDS.build(ComponentSpec.model_validate_json(spec)))


def params_key(params: Params) -> str:
    """Equal for equal points."""
    return fingerprint(params)


class _Tuning:
    """A soft prompt that is trained a little further at every rung, the best one on dev kept."""

    def __init__(self, job: TrialJob, params: Params, prompt: Prompt, backend: ScoringBackend) -> None:
        self._job, self._prompt, self._backend = job, prompt, backend
        key = params_key(params)
        spec = ComponentSpec(type=str(params["soft.method"]), **_options(params, "soft.", but="method"))
        self._method: SoftMethod = SOFT.build(spec, seed=job.seed)
        self._folder = job.state / "soft" / key
        self._best: SoftPrompt | None = None

    def rung(self, share: float, fidelity: Fidelity, known: Memory) -> Measurement:
        """Train up to `share` of all steps, measure the snapshots and the best so far, keep the best by dev loss."""
        until = max(1, round(self._method.steps * share))
        fitted = self._method.fit(cast("Tunes", self._backend), self._data(), until=until, folder=self._folder)
        candidates = [s for s in (self._best, *fitted.snapshots) if s is not None]
        fidelity = replace(fidelity, steps=until)
        cost = Cost(forward_passes=fitted.forward_passes)
        made: list[Measurement] = []
        for soft in {s.sha256: s for s in candidates}.values():
            made.append(_measure(self._job, replace(self._prompt, soft=soft), self._backend, fidelity, known))
            cost += made[-1].cost
        best = min(made, key=lambda m: m.metrics["loss"])
        self._best = best.soft
        return replace(best, cost=cost)

    def _data(self) -> TuneData:
        """Train examples that are not themselves demonstrations of a fixed prompt."""
        job, prompt = self._job, self._prompt
        shown = set() if prompt.demos.per_query else {d.id for d in prompt.demos.examples}
        examples = [e for e in job.train if e.id not in shown]
        answers, groups = answer_words(prompt, job.labels)
        return TuneData(
            prompts=tuple(render_all(prompt, examples, job.labels, embedder(self._backend))),
            targets=tuple(job.labels.index(e.target) for e in examples),
            answers=answers,
            groups=groups,
            init_text=own_words(prompt),
            label_words=answers,
        )


def _measure(job: TrialJob, prompt: Prompt, backend: ScoringBackend, fidelity: Fidelity, known: Memory) -> Measurement:
    examples = job.dev[: fidelity.examples]
    made = measure(prompt, examples, job.labels, backend, metric=job.metric, fidelity=fidelity, known=known)
    known.add(made)
    return made


def _preview(job: TrialJob, prompt: Prompt, backend: object) -> str:
    return render_all(prompt, job.dev[:1], job.labels, embedder(backend))[0].text


def _options(params: Params, prefix: str, *, but: str) -> Mapping[str, Scalar]:
    named = {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}
    return {name: value for name, value in named.items() if name != but}

"""The trial itself: rung after rung, and the finalists on the test split. Failures become values here."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import fmean
from typing import TypeVar

from autoprompt_search.core.answers import LabelAnswers
from autoprompt_search.core.errors import BudgetError, EndpointError, SearchError
from autoprompt_search.core.measurements import Fidelity, Measurement
from autoprompt_search.core.prompts import Prompt, SoftPrompt
from autoprompt_search.core.protocols.model import Backend, Meters, Prices
from autoprompt_search.core.purpose import FINAL, purpose
from autoprompt_search.core.types import Params
from autoprompt_search.evaluate import Predicted, PredictionCache, as_read, embedder, predict, render_all, summary
from autoprompt_search.ledger import LedgerReader
from autoprompt_search.trial.build import PromptBuilder
from autoprompt_search.trial.job import Failure, TestTask, TrialJob, backend_of
from autoprompt_search.trial.latency import latency
from autoprompt_search.trial.silence import check_answers
from autoprompt_search.trial.soft import Candidate, SoftTraining

T = TypeVar("T")
_PRICED = 16
"""Dev examples by which the price of a prompt is told."""
logger = logging.getLogger(__name__)


class TrialRun:
    """One running trial. Each `step` measures one rung."""

    def __init__(self, job: TrialJob, params: Params) -> None:
        self._rungs = run_rungs(job, params)

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
    except BudgetError as exc:
        return Failure(str(exc), ends="budget")
    except EndpointError as exc:
        return Failure(str(exc), ends="search")
    except SearchError as exc:
        return Failure(str(exc), traceback.format_exc())
    except MemoryError as exc:
        reason = " ".join(str(exc).split())
        return Failure(f"the worker ran out of memory{reason and f': {reason}'}", traceback.format_exc(), True)
    except Exception as exc:  # a failure leaves the worker as a value
        logger.info("A trial failed", exc_info=True)
        return Failure(f"{type(exc).__name__}: {str(exc).strip() or 'no message'}", traceback.format_exc())


def run_rungs(job: TrialJob, params: Params) -> Iterator[Measurement]:
    """Yield one measurement per rung; the caller stops by not asking for the next.

    What building the prompt took of the model is part of the cost of the rung it was built for. The prompt is timed
    once, after it was measured: on the last rung, or on the first where trials are compared by latency.
    """
    backend = backend_of(job.backend)
    builder = PromptBuilder(job, backend)
    draft = builder.draft(params)
    cache = PredictionCache(LedgerReader(job.state / "ledger.sqlite"))
    is_soft = params.get("soft.method", "none") != "none"
    training = SoftTraining(job, params, draft, backend, builder, cache) if is_soft else None
    candidate = Candidate(draft if is_soft else builder.calibrated(draft, params))
    took: float | None = None
    for number, examples in enumerate(job.rungs, start=1):
        if training is not None:
            candidate = training.rung(number / len(job.rungs), examples)
        predicted = predict(candidate.prompt, job.dev[:examples], backend, cache)
        cache.add(predicted.key, predicted.outcomes)
        if number == 1:
            check_answers(predicted.outcomes)
        fidelity = Fidelity(examples, candidate.steps, is_full=examples == job.rungs[-1])
        cost = candidate.cost + predicted.cost + builder.spent()
        if took is None and ((fidelity.is_full and not isinstance(backend, Meters)) or job.times_first):
            took, asked = latency(job, candidate.prompt, backend)
            cost += asked
        price = price_of(job, predicted, backend)
        preview = _preview(job, draft, backend)
        judged = (job.metric, *job.metrics)
        yield summary(predicted, judged, fidelity, cost=cost, latency_ms=took, preview=preview, price=price)


def run_test(job: TrialJob, task: TestTask) -> Measurement:
    """A finalist on the examples it is handed. Words and offsets are found again: they come from train alone."""
    backend = backend_of(job.backend)
    builder = PromptBuilder(job, backend)
    prompt = builder.calibrated(replace(builder.draft(task.params), soft=task.soft), task.params)
    with purpose(FINAL):
        predicted = predict(prompt, task.examples, backend, LedgerReader(job.state / "ledger.sqlite"))
    fidelity = Fidelity(len(task.examples), is_full=True)
    preview = _preview(job, prompt, backend)
    cost = predicted.cost + builder.spent()
    return summary(predicted, (job.metric, *job.metrics), fidelity, cost=cost, preview=preview)


def build_prompt(job: TrialJob, params: Params, backend: Backend, soft: SoftPrompt | None = None) -> Prompt:
    """The prompt that a trial at `params` measured, complete with the soft prompt it trained."""
    builder = PromptBuilder(job, backend)
    return builder.calibrated(replace(builder.draft(params), soft=soft), params)


def price_of(job: TrialJob, predicted: Predicted, backend: object) -> float | None:
    """US dollars per 1,000 predictions with a prompt; None where the model has no prices."""
    if not isinstance(backend, Prices):
        return None
    prompt, said = predicted.prompt, [o.completion_tokens for o in predicted.outcomes]
    rendered = render_all(prompt, job.dev[:_PRICED], embedder(backend))
    answers = sum(map(len, prompt.answers.verbalizer.values())) if isinstance(prompt.answers, LabelAnswers) else 0
    return backend.price(rendered, fmean(said) or float(bool(answers)), answers)


def _preview(job: TrialJob, prompt: Prompt, backend: object) -> str:
    """The prompt on the first example; a line stands for an answer that is not at its end."""
    shown = as_read(render_all(prompt, job.dev[:1], embedder(backend))[0], backend)
    return f"{shown.text}____{shown.rest}" if shown.rest else shown.text

"""How long a prompt takes in use: one example at a time, as a caller waits for it."""

from __future__ import annotations

import statistics
import time

from autoprompt_search.core.measurements import Cost
from autoprompt_search.core.prompts import Prompt
from autoprompt_search.core.protocols.model import Backend
from autoprompt_search.core.purpose import LATENCY, purpose
from autoprompt_search.evaluate import answering_of, embedder, render_all
from autoprompt_search.trial.build import unshown
from autoprompt_search.trial.job import TrialJob

TIMED = 6
"""Prompts asked for one timing."""
_WARM = 1
"""Prompts that are asked first and not counted: the common prefix is then cached, as it is in a service."""


def latency(job: TrialJob, prompt: Prompt, backend: Backend) -> tuple[float | None, Cost]:
    """Milliseconds from the rendered text to the scores of all answers: the median of a few single prompts.

    On examples that the model has not read with this prompt, because what it remembers takes no time: those of train
    first. What else the machine does meanwhile, other trials too, is in the number. The prompts are not booked as
    forward passes: they predict nothing, and a trial that is run again is timed again. None where nothing could be
    timed. With it comes what asking an endpoint took.
    """
    answering = answering_of(prompt)
    seconds: list[float] = []
    spent = Cost()
    for example in (*unshown(prompt, job.train), *reversed(job.dev)):
        rendered = render_all(prompt, [example], embedder(backend))
        started = time.perf_counter()
        with purpose(LATENCY):
            asked = answering.ask(backend, rendered, prompt, [example])
        took = time.perf_counter() - started
        spent += asked.spent or Cost()
        if asked.computed != 0:
            seconds.append(took)
        if len(seconds) == TIMED:
            break
    timed = seconds[_WARM:]
    return (round(1000 * statistics.median(timed), 3) if timed else None), spent

"""One process, one trial at a time: the reference for every other runner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from autoprompt_search.core.measurements import Measurement, TrialState
from autoprompt_search.core.types import Params
from autoprompt_search.runners.driver import Driver
from autoprompt_search.trial import Failure, TestTask, TrialJob, TrialRun, run_test_guarded


class LocalRunner:
    """Runs trials in this process, in the order the study asks for them.

    Args:
        concurrency: Requests at a time to a model behind an API; models that run here have none.
    """

    is_on_cluster = False

    def __init__(self, *, concurrency: Annotated[int, Field(ge=1)] = 8) -> None:
        self.concurrency = concurrency

    def begin(self, modules: Sequence[str]) -> None:
        """Do nothing: nothing needs to be started."""

    def run(self, driver: Driver, job: TrialJob) -> None:
        """See `Runner.run`."""
        while (asked := driver.ask()) is not None:
            _run_one(driver, job, *asked)

    def test(self, job: TrialJob, tasks: Sequence[TestTask]) -> list[Measurement | Failure]:
        """See `Runner.test`."""
        return [run_test_guarded(job, task) for task in tasks]

    def close(self) -> None:
        """Do nothing: nothing was started."""


def _run_one(driver: Driver, job: TrialJob, number: int, params: Params) -> None:
    run = TrialRun(job, params)
    while (result := run.step()) is not None:
        if isinstance(result, Failure):
            return driver.failed(number, result)
        if driver.measured(number, result):
            return None
    return driver.ended(number, TrialState.COMPLETE)

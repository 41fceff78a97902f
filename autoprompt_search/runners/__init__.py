"""Runners by name. A runner executes trials and moves questions and answers; it decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from autoprompt_search.core.measurements import Measurement
from autoprompt_search.core.registry import Registry
from autoprompt_search.runners.driver import Driver
from autoprompt_search.trial import Failure, TestTask, TrialJob


class Runner(Protocol):
    """Executes trials. Any number at once, anywhere; the driver is called from this process only."""

    @property
    def is_on_cluster(self) -> bool:
        """Whether workers may run on other machines than this one."""
        ...

    def begin(self, modules: Sequence[str]) -> None:
        """Start in the background what trials will need, and return at once; what goes wrong there is raised by `run`.

        Not needed, but trials then begin sooner. Workers import `modules` as they start.
        """
        ...

    def run(self, driver: Driver, job: TrialJob) -> None:
        """Run trials until the driver has no more. Raises KeyboardInterrupt when the user stops it.

        Without `begin` nothing is started when there is nothing to do.
        """
        ...

    def test(self, job: TrialJob, tasks: Sequence[TestTask]) -> list[Measurement | Failure]:
        """Measure finalists on the examples they are handed, in the order of `tasks`."""
        ...

    def close(self) -> None:
        """Stop whatever was started."""
        ...


RUNNERS: Registry[Runner] = Registry(
    "runners",
    {
        "local": "autoprompt_search.runners.local:LocalRunner",
        "ray": "autoprompt_search.runners.ray:RayRunner",
    },
)

"""What owns every decision about trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from autoprompt_search.core.measurements import Measurement, TrialRecord, TrialState
from autoprompt_search.core.statistics.headroom import Headroom
from autoprompt_search.core.types import Params


@runtime_checkable
class Study(Protocol):
    """Owns every decision about trials: what to try next, when to stop one, when to end."""

    def ask(self) -> tuple[int, Params] | None:
        """Number and parameters of the next trial; None when budget or space is used up.

        Trials that a dead driver left unfinished come first, under their old numbers.
        """
        ...

    def report(self, number: int, measurement: Measurement) -> bool:
        """Record a rung; True asks the runner to stop the trial. Reporting a known rung again changes nothing."""
        ...

    def tell(self, number: int, state: TrialState, *, error: str = "") -> TrialRecord | None:
        """End a trial and return its record; None where it is only paused, and may be asked again under its number.

        Trials that wait end when there is nothing more to ask. Raises `SystemicError` when all trials fail for one
        reason.
        """
        ...

    def records(self) -> Sequence[TrialRecord]:
        """Finished trials by number; outcomes and weights are not kept in them."""
        ...


@runtime_checkable
class Probes(Protocol):
    """Capability of a study: says what there is to gain before it spends its budget."""

    @property
    def is_futile(self) -> bool:
        """Whether it ended the search for that."""
        ...

    def headroom(self) -> Headroom | None:
        """None until that is known, and where it is not asked for."""
        ...
